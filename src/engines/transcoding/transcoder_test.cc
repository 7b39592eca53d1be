#include "engines/transcoding/transcoder.h"

#include <gtest/gtest.h>

#include "engines/transcoding/testing.h"

namespace sluice::transcoding {
namespace {

struct World {
  explicit World(Options options = {}, std::string_view proto = kBookstore) {
    options.services = {"bookstore.Bookstore"};
    auto made = Transcoder::create(descriptor_set_of(proto), std::move(options));
    EXPECT_TRUE(made) << made.error().message;
    transcoder = *made;
  }

  // The message that a request becomes, shown as JSON; "-": it is not transcoded; "!...": it is refused.
  std::string message(std::string_view method, std::string_view path, std::string_view body = "") const {
    const auto call = transcoder->find(method, path);
    if (!call) return "-";
    std::string bytes;
    if (const auto made = call->append_message(body, Call::Place::first, bytes); !made)
      return "!" + made.error().message;
    return show(bytes);
  }
  // Of type BookRequest.
  std::string show(std::string_view bytes) const {
    std::string out;
    const auto echo = transcoder->find("ECHO", "/echo");
    EXPECT_TRUE(echo && echo->append_json(bytes, out));
    return out;
  }

  std::shared_ptr<const Transcoder> transcoder;
};

std::string with_echo() {
  std::string proto(kBookstore);
  proto.insert(
      proto.rfind('}'),
      R"(rpc Echo(BookRequest) returns (BookRequest) { option (google.api.http) = { custom: { kind: "ECHO" path: "/echo" } }; })");
  return proto;
}

World echoing(Options options = {}) {
  return World(std::move(options), with_echo());
}

struct Row {
  std::string_view method, path, body, message;
};

TEST(Transcoder, makes_messages_of_paths_queries_and_bodies) {
  const World world = echoing();
  for (
      const auto& [method, path, body, message] : {
          Row{"GET", "/shelves/7/books/9", "", R"({"shelf":"7","book":{"id":"9"}})"},
          Row{"GET", "/v2/books/9", "", R"({"book":{"id":"9"}})"},
          Row{"GET", "/v2/books/9?shelf=3", "", R"({"shelf":"3","book":{"id":"9"}})"},
          Row{"GET", "/v2/books/9?shelf=3&shelf=4", "", R"({"shelf":"4","book":{"id":"9"}})"},
          Row{"GET", "/v2/books/9?book.tags=a&numbers=1&book.tags=b%20c&numbers=2", "",
              R"({"book":{"id":"9","tags":["a","b c"]},"numbers":[1,2]})"},
          Row{"GET", "/v2/books/9?book.author.first_name=J&book.author.lastName=K&book.kind=RARE&book.sold=true", "",
              R"({"book":{"id":"9","author":{"firstName":"J","lastName":"K"},"kind":"RARE","sold":true}})"},
          Row{"GET",
              "/v2/books/9?mask=a,bC&book.printed=2030-01-01T00:00:00Z&book.pages=5&book.price=1.5&book.cover=aGk=", "",
              R"({"book":{"id":"9","price":1.5,"cover":"aGk=","printed":"2030-01-01T00:00:00Z","pages":5},"mask":"a,bC"})"},
          Row{"GET", "/v2/books/9?&=x&flag&name=", "", R"({"book":{"id":"9"}})"},
          Row{"GET", "/v1/shelves/1/books/x%2Fy%20z", "", R"({"name":"shelves/1/books/x%2Fy z"})"},
          Row{"POST", "/shelves/7/books", R"({"title":"a \"b\"","tags":["x"]})",
              R"({"shelf":"7","book":{"title":"a \"b\"","tags":["x"]}})"},
          Row{"POST", "/shelves/7/books?book.tags=y", R"({"tags":["x"]})",
              R"({"shelf":"7","book":{"tags":["x","y"]}})"},
          Row{"POST", "/shelves/7/books", R"({"none":{"such":[1]},"title":"t"})",
              R"({"shelf":"7","book":{"title":"t"}})"},
          Row{"POST", "/shelves/7/books", "", R"({"shelf":"7"})"},
          Row{"PATCH", "/shelves/7/books/9", R"({"name":"n","book":{"title":"t"}})",
              R"({"shelf":"7","book":{"id":"9","title":"t"},"name":"n"})"},
          Row{"PATCH", "/shelves/7/books/9", R"({"shelf":7,"book":{"id":"9"}})", R"({"shelf":"7","book":{"id":"9"}})"},
          Row{"POST", "/shelves/7:count", "[1, 2,3]", R"({"shelf":"7","numbers":[1,2,3]})"},
          Row{"LOCK", "/locks/7", "", R"({"shelf":"7"})"},
      })
    EXPECT_EQ(world.message(method, path, body), message) << method << ' ' << path << ' ' << body;
}

TEST(Transcoder, leaves_alone_what_no_rule_fits) {
  const World world = echoing();
  for (const auto& [method, path] : {std::pair{"POST", "/shelves/7/books/9"},
                                     {"GET", "/shelves/7"},
                                     {"GET", "/"},
                                     {"GET", "/shelves/7/books/9/more"},
                                     {"GET", "*"},
                                     {"GET", ""},
                                     {"POST", "/shelves/7:other"},
                                     {"GET", "/v2/books/9?nope=1"},
                                     {"GET", "/v2/books/9?book.nope=1"},
                                     {"GET", "/v2/books/9?book.tags.x=1"},
                                     {"GET", "/v2/books/9?shelf.x=1"},
                                     {"POST", "/bookstore.Bookstore/Plain"}})
    EXPECT_EQ(world.message(method, path), "-") << method << ' ' << path;
  std::string deep = "/v2/books/9?book";
  for (int i = 0; i < 10'000; ++i) deep += ".author";
  EXPECT_EQ(world.message("GET", deep + "=1"), "-");
}

TEST(Transcoder, refuses_what_does_not_fit_the_message) {
  const World world = echoing();
  for (const auto& [method, path, body] : {
           std::tuple{"GET", "/v2/books/x", ""},
           {"GET", "/v2/books/9223372036854775808", ""},
           {"GET", "/v2/books/9?book.kind=NOPE", ""},
           {"GET", "/v2/books/9?book.sold=maybe", ""},
           {"GET", "/v2/books/9?book=x", ""},
           {"GET", "/v2/books/9?book.author=x", ""},
           {"GET", "/v2/books/9?book.notes=x", ""},
           {"GET", "/v2/books/9?book.paper=x&book.sound=y", ""},
           {"GET", "/v2/books/9?book.printed=x", ""},
           {"GET", "/v2/books/9?name=%ff", ""},
           {"POST", "/shelves/7/books", "{"},
           {"POST", "/shelves/7/books", "nope"},
           {"POST", "/shelves/7/books", "[]"},
           {"POST", "/shelves/7/books", R"({"id":"x"})"},
           {"POST", "/shelves/7/books", "{\"title\":\"\xff\"}"},
           {"POST", "/shelves/7/books", "{} {}"},
           {"POST", "/shelves/7:count", "[1] , \"name\": \"else\""},
           {"POST", "/shelves/7:count", "[1]}, {\"name\": \"else\""},
           {"POST", "/shelves/7:count", "'\"', \"name\": \"x\""},
       }) {
    EXPECT_TRUE(world.message(method, path, body).starts_with("!")) << method << ' ' << path << ' ' << body << '\n'
                                                                    << world.message(method, path, body);
  }
  EXPECT_TRUE(world.message("POST", "/shelves/7/books", std::string(10'000, '[')).starts_with("!"));
}

// Whoever let a request through has looked at its path.
TEST(Transcoder, refuses_another_value_for_what_the_path_binds) {
  const World world = echoing();
  EXPECT_EQ(world.message("PATCH", "/shelves/7/books/9", R"({"shelf":"8"})"),
            "!the body gives 'shelf' another value than the path or the query");
  EXPECT_EQ(world.message("PATCH", "/shelves/7/books/9", R"({"book":{"id":8}})"),
            "!the body gives 'id' another value than the path or the query");
  EXPECT_EQ(world.message("GET", "/v2/books/9?book.id=8"), "!the query gives 'id' another value than the path");
  EXPECT_EQ(world.message("GET", "/v2/books/9?book.id=9"), R"({"book":{"id":"9"}})");
  EXPECT_EQ(world.message("PATCH", "/shelves/7/books/9", R"({"shelf":0})"), R"({"shelf":"7","book":{"id":"9"}})");
  std::string many = "/v2/books/9?name=a";
  for (size_t i = 0; i < Call::kBindingsMax; ++i) many += "&name=a";
  EXPECT_EQ(world.message("GET", many), "!the query has too many parameters");
}

TEST(Transcoder, passes_over_query_parameters_as_it_is_told) {
  EXPECT_EQ(echoing({.ignored_query_parameters = {"key", "shelf"}}).message("GET", "/v2/books/9?key=1&shelf=x"),
            R"({"book":{"id":"9"}})");
  EXPECT_EQ(echoing({.ignored_query_parameters = {"key"}}).message("GET", "/v2/books/9?keys=1"), "-");
  EXPECT_EQ(echoing({.ignore_unknown_query_parameters = true}).message("GET", "/v2/books/9?keys=1&shelf=2"),
            R"({"shelf":"2","book":{"id":"9"}})");
}

TEST(Transcoder, maps_methods_without_rules_where_it_is_told) {
  const World world = echoing({.auto_mapping = true});
  EXPECT_EQ(world.message("POST", "/bookstore.Bookstore/Plain", R"({"name":"n"})"), R"({"name":"n"})");
  EXPECT_EQ(world.message("POST", "/bookstore.Bookstore/GetBook", "{}"), "-") << "it has a rule";
}

TEST(Transcoder, says_which_method_is_called_and_how) {
  const World world;
  const auto said = [&](const char* method, const char* path) {
    const auto call = world.transcoder->find(method, path);
    if (!call) return std::string("-");
    const Method& m = call->method();
    return m.path + (m.client_streaming ? " from many" : "") + (m.server_streaming ? " to many" : "") +
           (m.takes_raw ? " takes raw" : "") + (m.gives_raw ? " gives raw" : "");
  };
  EXPECT_EQ(said("GET", "/v2/books/9"), "/bookstore.Bookstore/GetBook");
  EXPECT_EQ(said("GET", "/watch/9"), "/bookstore.Bookstore/Watch to many");
  EXPECT_EQ(said("POST", "/talk"), "/bookstore.Bookstore/Talk from many to many");
  EXPECT_EQ(said("GET", "/covers/1"), "/bookstore.Bookstore/Cover gives raw");
  EXPECT_EQ(said("GET", "/framed"), "/bookstore.Bookstore/Framed_ gives raw");
  EXPECT_EQ(said("PUT", "/files/a/b"), "/bookstore.Bookstore/Put takes raw");
  EXPECT_EQ(said("POST", "/feed/a"), "/bookstore.Bookstore/Feed from many takes raw");
}

TEST(Transcoder, binds_path_and_query_to_the_first_message_of_a_stream) {
  const World world;
  const auto call = world.transcoder->find("POST", "/import/5?tags=x");
  ASSERT_TRUE(call);
  std::string first, later, json;
  ASSERT_TRUE(call->append_message(R"({"title":"a"})", Call::Place::first, first));
  ASSERT_TRUE(call->append_message(R"({"title":"b"})", Call::Place::later, later));
  ASSERT_TRUE(call->append_json(first, json));
  EXPECT_EQ(json, R"({"id":"5","title":"a","tags":["x"]})");
  json.clear();
  ASSERT_TRUE(call->append_json(later, json));
  EXPECT_EQ(json, R"({"title":"b"})");
}

TEST(Transcoder, prints_as_it_is_told) {
  const std::string message("\x08\x05\x28\x01", 4);  // id 5, kind RARE
  const auto printed = [&](PrintOptions print) {
    const World world({.print = print});
    std::string out;
    EXPECT_TRUE(world.transcoder->find("GET", "/v2/books/9")->append_json(message, out));
    return out;
  };
  EXPECT_EQ(printed({}), R"({"id":"5","kind":"RARE"})");
  EXPECT_EQ(printed({.add_whitespace = true}), "{\n \"id\": \"5\",\n \"kind\": \"RARE\"\n}\n");
  EXPECT_EQ(printed({.always_print_enums_as_ints = true}), R"({"id":"5","kind":1})");
  const std::string all = printed({.always_print_primitive_fields = true});
  EXPECT_TRUE(all.contains(R"("title":"","tags":[],"kind":"RARE","price":0,"sold":false)")) << all;
  const World world({.print = {.preserve_proto_field_names = true}});
  std::string out;
  ASSERT_TRUE(world.transcoder->find("GET", "/v2/books/9")->append_json(std::string("\x58\x01", 2), out));
  EXPECT_EQ(out, R"({"shelf_mark":1})");
  EXPECT_FALSE(world.transcoder->find("GET", "/v2/books/9")->append_json("\x08", out)) << "no message";
}

TEST(Transcoder, passes_the_bytes_of_a_HttpBody_on) {
  const World world;
  const RawBody body{.content_type = "text/x", .data = std::string("a\0b", 3)};
  auto call = world.transcoder->find("PUT", "/files/a/b?part=3&file.content_type=evil");
  ASSERT_TRUE(call);
  std::string message;
  ASSERT_TRUE(call->append_raw(body, Call::Place::first, message));
  EXPECT_EQ(message, std::string("\x12\x0d\x0a\x06text/x\x12\x03") + std::string("a\0b", 3) +
                         "\x0a\x03"
                         "a/b\x18\x03");
  message.clear();
  ASSERT_TRUE(call->append_raw({.data = "z"}, Call::Place::later, message));
  EXPECT_EQ(message, "\x12\x03\x12\x01z");

  const std::string http_body = std::string("\x0a\x06text/x\x12\x03") + std::string("a\0b", 3);
  auto raw = world.transcoder->find("GET", "/covers/1")->raw(http_body);
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->content_type, "text/x");
  EXPECT_EQ(raw->data, body.data);
  raw = world.transcoder->find("GET", "/framed")->raw("\x0a\x0d" + http_body);
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->data, body.data);
  EXPECT_FALSE(world.transcoder->find("GET", "/framed")->raw("\x0a\x7f"));
}

TEST(Transcoder, shows_a_status_with_details_whose_types_it_knows) {
  const World world({.convert_status = true});
  EXPECT_EQ(world.transcoder->status_json(5, "no \"book\""), R"({"code":5,"message":"no \"book\""})");
  const std::string any = std::string("\x0a\x22type.googleapis.com/bookstore.Book\x12\x02\x08\x07");
  const std::string details = std::string("\x08\x05\x1a") + static_cast<char>(any.size()) + any;
  EXPECT_EQ(world.transcoder->status_json(details),
            R"({"code":5,"details":[{"@type":"type.googleapis.com/bookstore.Book","id":"7"}]})");
  std::string unknown = details;
  unknown.replace(unknown.find("Book\x12"), 4, "Nope");
  EXPECT_EQ(world.transcoder->status_json(unknown), std::nullopt);
  EXPECT_EQ(world.transcoder->status_json("\x08"), std::nullopt);
}

std::string refusal(std::string_view proto, std::vector<std::string> services = {"t.S"}) {
  auto made = Transcoder::create(descriptor_set_of(proto), {.services = std::move(services)});
  return made ? "" : made.error().message;
}

std::string service_with(std::string_view rule) {
  return fmt::format(R"(syntax = "proto3"; package t; import "google/api/annotations.proto";
message M {{ string a = 1; repeated string r = 2; M m = 3; }}
service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ {} }}; }} }})",
                     rule);
}

TEST(Transcoder, refuses_a_set_that_is_none_or_not_whole_and_rules_that_fit_no_message) {
  EXPECT_TRUE(Transcoder::create("\x01garbage", {}).error().message.contains("no google.protobuf.FileDescriptorSet"));
  EXPECT_EQ(refusal(service_with(R"(get: "/x")"), {"t.Other"}), "the set has no service 't.Other'; it has [t.S]");
  EXPECT_EQ(
      refusal(R"(syntax = "proto3"; package t; message M {} service Books { rpc Do(M) returns (M); })", {"t.Book"}),
      "the set has no service 't.Book'; did you mean t.Books?");
  struct Bad {
    std::string_view rule, said;
  };
  for (const auto& [rule, said] : {Bad{R"(get: "x")", R"(t.S.Do: the path "x": it must begin with /)"},
                                   Bad{R"(get: "/{nope}")", "t.S.Do: t.M has no field nope"},
                                   Bad{R"(get: "/{m.m.nope}")", "t.S.Do: t.M has no field nope"},
                                   Bad{R"(get: "/{r}")", "t.S.Do: the path binds t.M.r, which is repeated"},
                                   Bad{R"(post: "/x" body: "nope")", "t.S.Do: t.M has no field nope"},
                                   Bad{R"(post: "/x" response_body: "nope")", "t.S.Do: t.M has no field nope"},
                                   Bad{R"(post: "/x" response_body: "a")",
                                       "t.S.Do: response_body that is no google.api.HttpBody is not supported yet"}})
    EXPECT_EQ(refusal(service_with(rule)), said);
  EXPECT_EQ(refusal(service_with(R"(get: "/x" additional_bindings { get: "/{m.a=y/*}" })")), "");
}

TEST(Transcoder, tells_of_rules_that_fit_the_same_requests_and_follows_neither) {
  const std::string proto =
      service_with(R"(get: "/x/{a}" additional_bindings { get: "/x/{m.a}" } additional_bindings { get: "/y" })");
  const auto made = Transcoder::create(descriptor_set_of(proto), {.services = {"t.S"}});
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->warnings().size(), 1U);
  EXPECT_FALSE((*made)->find("GET", "/x/1"));
  EXPECT_TRUE((*made)->find("GET", "/y"));
}

}  // namespace
}  // namespace sluice::transcoding
