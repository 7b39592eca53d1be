#include "filters/grpc_json/filter.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "engines/transcoding/testing.h"
#include "http/grpc_testing.h"
#include "pipeline/testing.h"

namespace sluice::grpc_json {
namespace {

using grpc::framed;
using grpc::TrailingBody;

const std::string kSet = base64_encode(transcoding::descriptor_set_of(transcoding::kBookstore));

std::string options(std::string_view more = "") {
  return fmt::format("grpcJsonTranscoder: {{protoDescriptorBin: {}, services: [bookstore.Bookstore]{}}}", kSet, more);
}

// A server of the bookstore, which says `pieces` and then `said`.
struct World {
  explicit World(std::string_view more = "") {
    EXPECT_EQ(gateway.listener(options(more)), "");
    gateway.reroute = [this](Request&) { return ++rerouted; };
    gateway.upstream = [this](Request& request) {
      seen_method = request.method;
      seen_path = request.path;
      for (const HeaderField& field : request.headers) seen[std::string(field.name)] = field.value;
      Response response = make_response(request, 200, {{"content-type", type}, {"x-h", "1"}}, pieces, slowly, false);
      Headers* end = response.headers;
      if (response.body.reader) {
        end = request.arena.make<Headers>(request.arena);
        response.body.reader = request.arena.make<TrailingBody>(*response.body.reader, end);
      }
      for (const auto& [name, value] : said) end->add(name, value);
      return response;
    };
  }
  FilterHarness::Answer send(std::string method, std::string path, std::vector<std::string> body = {},
                             std::vector<std::pair<std::string, std::string>> headers = {}) {
    return gateway.send({.method = std::move(method),
                         .path = std::move(path),
                         .headers = std::move(headers),
                         .body = std::move(body),
                         .slowly = slowly});
  }

  FilterHarness gateway{grpc_json_filter()};
  std::string type = "application/grpc";
  std::vector<std::string> pieces{framed("\x08\x07")};  // Book{id: 7}
  std::vector<std::pair<std::string, std::string>> said{{"grpc-status", "0"}};
  bool slowly = false;
  int rerouted = 0;
  std::string seen_method, seen_path;
  std::map<std::string, std::string> seen;
};

TEST(GrpcJson, calls_a_method_by_its_path_query_and_body_and_answers_in_JSON) {
  for (const bool slowly : {false, true}) {
    World world;
    world.slowly = slowly;
    world.pieces = {framed("\x08\x07").substr(0, 3), framed("\x08\x07").substr(3)};
    const auto answer =
        world.send("POST", "/shelves/3/books?name=n", {R"({"ti)", R"(tle":"t"})"},
                   {{"content-type", "application/json"}, {"content-length", "13"}, {"expect", "100-continue"}});
    EXPECT_EQ(world.seen_method, "POST");
    EXPECT_EQ(world.seen_path, "/bookstore.Bookstore/CreateBook");
    EXPECT_EQ(world.seen["content-type"], "application/grpc");
    EXPECT_EQ(world.seen["x-envoy-original-path"], "/shelves/3/books?name=n");
    EXPECT_EQ(world.seen["x-envoy-original-method"], "POST");
    EXPECT_FALSE(world.seen.contains("content-length"));
    EXPECT_FALSE(world.seen.contains("expect"));
    EXPECT_EQ(answer.upstream_body, framed("\x12\x03\x12\x01t\x08\x03\x1a\x01n"));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_EQ(answer.header("content-length"), "10");
    EXPECT_EQ(answer.header("grpc-status"), "0");
    EXPECT_EQ(answer.header("x-h"), "1");
    EXPECT_EQ(answer.body, R"({"id":"7"})");
    EXPECT_EQ(world.rerouted, 1);
  }
}

TEST(GrpcJson, leaves_alone_what_no_rule_fits_and_what_is_gRPC_already) {
  World world;
  world.send("GET", "/elsewhere");
  EXPECT_EQ(world.seen_path, "/elsewhere");
  world.send("POST", "/shelves/3/books", {"x"}, {{"content-type", "application/grpc"}});
  EXPECT_EQ(world.seen_path, "/shelves/3/books");
  world.send("GET", "/v2/books/1?nope=1");
  EXPECT_EQ(world.seen_path, "/v2/books/1?nope=1");
  EXPECT_EQ(world.rerouted, 0);
}

TEST(GrpcJson, keeps_the_route_where_it_is_told) {
  World world(", matchIncomingRequestRoute: true");
  world.send("GET", "/v2/books/1");
  EXPECT_EQ(world.seen_path, "/bookstore.Bookstore/GetBook");
  EXPECT_EQ(world.rerouted, 0);
}

TEST(GrpcJson, has_its_rules_as_the_options_say) {
  World world(", ignoredQueryParameters: [key], autoMapping: true, printOptions: {alwaysPrintEnumsAsInts: true}");
  world.pieces = {framed("\x28\x01")};
  EXPECT_EQ(world.send("GET", "/v2/books/1?key=1").body, R"({"kind":1})");
  world.send("POST", "/bookstore.Bookstore/Plain", {"{}"});
  EXPECT_EQ(world.seen["x-envoy-original-path"], "/bookstore.Bookstore/Plain");
  World other(
      ", ignoreUnknownQueryParameters: true, printOptions: {preserveProtoFieldNames: true, addWhitespace: true}");
  other.pieces = {framed("\x58\x01")};
  EXPECT_EQ(other.send("GET", "/v2/books/1?nope=1").body, "{\n \"shelf_mark\": 1\n}\n");
  World all(", printOptions: {alwaysPrintPrimitiveFields: true}");
  EXPECT_TRUE(all.send("GET", "/v2/books/1").body.contains(R"("title":"")"));
}

TEST(GrpcJson, refuses_what_does_not_fit_the_message) {
  World world;
  for (const char* body : {"{", "[]", R"({"id":"x"})", "{} {}"}) {
    const auto answer = world.send("POST", "/shelves/3/books", {body});
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.details, "grpc_json_transcode_failure");
    EXPECT_FALSE(answer.reached_upstream);
  }
  EXPECT_EQ(world.send("GET", "/v2/books/x").status, 400);
  EXPECT_EQ(world.send("PATCH", "/shelves/3/books/4", {R"({"shelf":5})"}).status, 400);
}

TEST(GrpcJson, holds_a_body_up_to_the_listeners_limit) {
  World world;
  world.gateway.body_buffer_bytes_max = 100;
  world.slowly = true;
  const auto title = [](size_t bytes) { return R"({"title":")" + std::string(bytes - 12, 'x') + R"("})"; };
  EXPECT_EQ(world.send("POST", "/shelves/3/books", {title(100)}).status, 200);
  auto answer = world.send("POST", "/shelves/3/books", {title(100).substr(0, 60), title(101).substr(60)});
  EXPECT_EQ(answer.status, 413);
  EXPECT_FALSE(answer.reached_upstream);
  answer = world.send("POST", "/import/1", {"[", title(100), ",", title(101), "]"});
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->kind, ErrorKind::limit);
  EXPECT_EQ(answer.error->side, Side::downstream);

  world.pieces = {framed(std::string("\x12\x62") + std::string(98, 'y'))};
  EXPECT_EQ(world.send("GET", "/v2/books/1").body, R"({"title":")" + std::string(98, 'y') + R"("})");
  world.pieces = {framed(std::string("\x12\x63") + std::string(99, 'y'))};
  answer = world.send("GET", "/v2/books/1");
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->kind, ErrorKind::limit);
}

TEST(GrpcJson, pays_for_what_it_holds_of_messages) {
  Metrics metrics{1};
  BodyBudget budget(16U << 10, metrics);
  Frames frames(1U << 20, &budget);
  std::string twice = framed(std::string(12'000, 'x')) + framed(std::string(12'000, 'y'));
  frames.feed({twice, false});
  for (const char c : {'x', 'y'}) {
    const auto message = frames.next();
    ASSERT_TRUE(message && *message);
    EXPECT_EQ(**message, std::string(12'000, c)) << "the first was given back";
  }
  std::string large = framed(std::string(20'000, 'z'));
  frames.feed({large, false});
  const auto refused = frames.next();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::overload);
}

struct StatusRow {
  const char* status;
  uint16_t http;
};

TEST(GrpcJson, has_errors_as_statuses_of_HTTP) {
  World world;
  for (const bool in_head : {false, true})
    for (const auto& [status, http] : {StatusRow{"1", 499},
                                       {"2", 500},
                                       {"3", 400},
                                       {"5", 404},
                                       {"7", 403},
                                       {"8", 429},
                                       {"12", 501},
                                       {"14", 503},
                                       {"16", 401},
                                       {"99", 500}}) {
      world.pieces = in_head ? std::vector<std::string>{} : std::vector<std::string>{""};
      world.said = {{"grpc-status", status}, {"grpc-message", "no%20book"}};
      const auto answer = world.send("GET", "/v2/books/1");
      EXPECT_EQ(answer.status, http);
      EXPECT_EQ(answer.header("grpc-status"), status);
      EXPECT_EQ(answer.header("grpc-message"), "no%20book");
      EXPECT_EQ(answer.header("content-type"), std::nullopt);
      EXPECT_EQ(answer.header("content-length"), "0");
      EXPECT_EQ(answer.body, "");
    }
  world.said = {};
  EXPECT_EQ(world.send("GET", "/v2/books/1").status, 503) << "no status at all";
}

TEST(GrpcJson, shows_a_status_in_the_body_where_it_is_told) {
  World world(", convertGrpcStatus: true");
  for (const bool in_head : {false, true}) {
    world.pieces = in_head ? std::vector<std::string>{} : std::vector<std::string>{""};
    world.said = {{"grpc-status", "5"}, {"grpc-message", "no%20book"}};
    auto answer = world.send("GET", "/v2/books/1");
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body, R"({"code":5,"message":"no book"})");
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_EQ(answer.header("content-length"), "30");
    EXPECT_EQ(answer.header("grpc-status"), std::nullopt);
    const std::string any = "\x0a\x22type.googleapis.com/bookstore.Book\x12\x02\x08\x07";
    const std::string details = "\x08\x05\x1a" + std::string(1, static_cast<char>(any.size())) + any;
    for (std::string text : {base64_encode(details), base64_encode(details)}) {
      while (text.ends_with('=') && in_head) text.pop_back();
      world.said = {{"grpc-status", "5"}, {"grpc-status-details-bin", text}};
      answer = world.send("GET", "/v2/books/1");
      EXPECT_EQ(answer.body, R"({"code":5,"details":[{"@type":"type.googleapis.com/bookstore.Book","id":"7"}]})");
      EXPECT_EQ(answer.header("grpc-status-details-bin"), std::nullopt);
    }
    std::string unknown = details;
    unknown.replace(unknown.find("Book\x12"), 4, "Nope");
    world.said = {{"grpc-status", "5"}, {"grpc-message", "m"}, {"grpc-status-details-bin", base64_encode(unknown)}};
    EXPECT_EQ(world.send("GET", "/v2/books/1").body, R"({"code":5,"message":"m"})");
    world.said = {{"grpc-status", "5"}, {"grpc-message", "m"}, {"grpc-status-details-bin", "*"}};
    EXPECT_EQ(world.send("GET", "/v2/books/1").body, R"({"code":5,"message":"m"})");
  }
}

TEST(GrpcJson, leaves_answers_that_are_no_gRPC) {
  World world;
  world.type = "text/plain";
  world.pieces = {"hello"};
  auto answer = world.send("GET", "/v2/books/1");
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.header("content-type"), "text/plain");
  world.gateway.upstream = [](Request& request) { return reply(request, OutcomeKind::no_healthy_upstream); };
  answer = world.send("GET", "/v2/books/1");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "no healthy upstream");
}

TEST(GrpcJson, takes_no_response_that_breaks_gRPC) {
  World world;
  struct Row {
    std::vector<std::string> pieces;
    uint16_t status;  // 0: an error
  };
  for (const auto& [pieces, status] :
       {Row{{framed("\x08")}, 502}, Row{{framed("\x08\x07") + framed("\x08\x07")}, 502}, Row{{""}, 502},
        Row{{framed("\x08\x07").substr(0, 6)}, 0}, Row{{framed("\x08\x07") + "x"}, 0},
        Row{{framed("\x08\x07", grpc::kCompressed)}, 0}}) {
    world.pieces = pieces;
    const auto answer = world.send("GET", "/v2/books/1");
    if (status != 0) {
      EXPECT_EQ(answer.status, status);
      EXPECT_FALSE(answer.error);
      continue;
    }
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->side, Side::upstream);
  }
}

TEST(GrpcJson, has_a_stream_of_answers_as_an_array) {
  const std::string two = framed("\x08\x07") + framed("\x12\x01t");
  for (const bool slowly : {false, true}) {
    World world;
    world.slowly = slowly;
    for (const std::vector<std::string>& pieces :
         {std::vector{two}, {two.substr(0, 3), two.substr(3, 5), two.substr(8)}}) {
      world.pieces = pieces;
      const auto answer = world.send("GET", "/watch/1");
      EXPECT_EQ(answer.status, 200);
      EXPECT_EQ(answer.header("content-type"), "application/json");
      EXPECT_EQ(answer.header("content-length"), std::nullopt);
      EXPECT_EQ(answer.body, R"([{"id":"7"},{"title":"t"}])");
    }
    world.pieces = {""};
    EXPECT_EQ(world.send("GET", "/watch/1").body, "[]");
    world.pieces = {};
    EXPECT_EQ(world.send("GET", "/watch/1").body, "[]");
    world.said = {{"grpc-status", "5"}};
    EXPECT_EQ(world.send("GET", "/watch/1").status, 404);
    world.pieces = {framed("\x08\x07"), framed("\x08")};
    const auto answer = world.send("GET", "/watch/1");
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->side, Side::upstream);
  }
}

TEST(GrpcJson, sends_the_elements_of_an_array_to_a_method_that_takes_a_stream) {
  for (const bool slowly : {false, true}) {
    World world;
    world.slowly = slowly;
    auto answer = world.send("POST", "/import/5", {R"([{"title":"a"},{"ti)", R"(tle":"b"}])"});
    EXPECT_EQ(answer.upstream_body, framed("\x12\x01"
                                           "a\x08\x05") +
                                        framed("\x12\x01"
                                               "b"));
    EXPECT_EQ(answer.body, R"({"id":"7"})");
    EXPECT_EQ(world.send("POST", "/import/5", {"[]"}).upstream_body, "");
    EXPECT_EQ(world.send("POST", "/import/5").upstream_body, framed("\x08\x05"));
    for (const char* body : {"{}", "[{}", "[{},]", "[1]", "[{}] x", R"([{"id":"x"}])", ""}) {
      answer = world.send("POST", "/talk", {body});
      ASSERT_TRUE(answer.error) << body;
      EXPECT_EQ(answer.error->kind, ErrorKind::invalid) << body;
      EXPECT_EQ(answer.error->side, Side::downstream) << body;
    }
    answer = world.send("POST", "/talk", {"[{}]"});
    EXPECT_EQ(answer.body, R"([{"id":"7"}])");
  }
}

TEST(GrpcJson, passes_bytes_through_a_HttpBody) {
  World world;
  world.slowly = true;
  EXPECT_EQ(world.send("PUT", "/files/a", {"x", "y"}, {{"content-type", "a/b"}}).upstream_body,
            framed("\x12\x09\x0a\x03"
                   "a/b\x12\x02xy\x0a\x01"
                   "a"));
  EXPECT_EQ(world.send("POST", "/feed/a", {"x", "y"}, {{"content-type", "a/b"}}).upstream_body,
            framed("\x12\x08\x0a\x03"
                   "a/b\x12\x01x\x0a\x01"
                   "a") +
                framed("\x12\x03\x12\x01y"));
  world.pieces = {
      framed("\x0a\x03"
             "a/b\x12\x02xy")};
  auto answer = world.send("GET", "/covers/1");
  EXPECT_EQ(answer.header("content-type"), "a/b");
  EXPECT_EQ(answer.header("content-length"), "2");
  EXPECT_EQ(answer.body, "xy");
  world.pieces.push_back(framed("\x12\x01z"));
  answer = world.send("GET", "/pages/1");
  EXPECT_EQ(answer.header("content-type"), "a/b");
  EXPECT_EQ(answer.body, "xyz");
  world.pieces = {
      framed("\x0a\x03"
             "a\nb\x12\x02xy")};
  EXPECT_EQ(world.send("GET", "/covers/1").status, 502) << "no header";
  EXPECT_EQ(world.send("GET", "/pages/1").status, 502);
  world.pieces = {""};
  EXPECT_EQ(world.send("GET", "/pages/1").body, "");
}

TEST(GrpcJson, refuses_options_that_cannot_be_served) {
  FilterHarness gateway(grpc_json_filter());
  struct Row {
    std::string yaml, said;
  };
  for (const auto& [yaml, said] :
       {Row{"{services: [a]}", "one of protoDescriptor, protoDescriptorBin, protoDescriptorConfigMap must be set"},
        Row{"{protoDescriptorBin: '*', services: [a]}", "must be a set of descriptors in Base64"},
        Row{"{protoDescriptorBin: AXh4, services: [a]}", "it is no google.protobuf.FileDescriptorSet"},
        Row{fmt::format("{{protoDescriptorBin: {}, services: [a.B]}}", kSet), "the set has no service 'a.B'"},
        Row{fmt::format("{{protoDescriptorBin: {}}}", kSet), "is empty: nothing is transcoded"},
        Row{"{protoDescriptor: set.pb, services: [a]}", "must be an absolute path"},
        Row{"{protoDescriptor: /set.pb, protoDescriptorBin: AXh4}",
            "only one of protoDescriptor, protoDescriptorBin may be set"}}) {
    const std::string problems = gateway.listener("grpcJsonTranscoder: " + yaml);
    EXPECT_TRUE(problems.contains(said)) << problems;
    EXPECT_TRUE(gateway.chain().filters.empty());
  }
}

class Maps final : public References {
 public:
  Result<UpstreamEnd> upstream(const ObjectRef&) override { return invalid("no"); }
  Result<ObjectData> secret(const ObjectRef&) override { return invalid("no"); }
  Result<ObjectData> config_map(const ObjectRef& ref) override {
    if (ref.name != "m" || ref.ns != "ns") return invalid("there is none");
    return ObjectData{std::make_shared<const std::map<std::string, std::string>>(data), "m"};
  }
  Result<FileData> file(const std::string& path, size_t) override {
    if (path != "/set.pb") return invalid("cannot read " + path);
    return FileData{std::make_shared<const std::string>(file_text), fmt::format("file {}", file_version++)};
  }
  std::map<std::string, std::string> data;
  std::string file_text;
  int file_version = 0;
};

TEST(GrpcJson, finds_its_descriptors_in_a_ConfigMap) {
  FilterHarness gateway(grpc_json_filter());
  Maps maps;
  gateway.references = &maps;
  const auto said = [&](std::string_view source, std::string_view service = "bookstore.Bookstore") {
    return gateway.listener(
        fmt::format("grpcJsonTranscoder: {{protoDescriptorConfigMap: {}, services: [{}]}}", source, service));
  };
  const std::string_view one = "{configMapRef: {name: m, namespace: ns}}",
                         key = "{configMapRef: {name: m, namespace: ns}, key: k}";
  EXPECT_TRUE(said("{configMapRef: {name: x, namespace: ns}}").contains("there is none"));
  EXPECT_TRUE(said(one).contains("configmap ns:m does not contain any values"));
  maps.data = {{"a", "*"}};
  EXPECT_TRUE(said(one).contains("config map ns:m contains a value for key a but is not base64-encoded"));
  EXPECT_TRUE(said(key).contains("configmap ns:m does not contain a value for key k"));
  maps.data = {{"a", "*"}, {"k", kSet}};
  EXPECT_TRUE(said(one).contains("key must be provided for configmap ns:m which contains 2 values"));
  EXPECT_TRUE(said(key, "no.Such").contains("protoDescriptorConfigMap: the set has no service 'no.Such'"));
  EXPECT_EQ(said(key), "");
  EXPECT_EQ(gateway.chain().filters.size(), 1U);
  EXPECT_EQ(gateway.send({.path = "/v2/books/x"}).status, 400);
}

TEST(GrpcJson, finds_its_descriptors_in_a_file) {
  FilterHarness gateway(grpc_json_filter());
  Maps files;
  gateway.references = &files;
  const auto said = [&](std::string_view path, std::string_view service = "bookstore.Bookstore") {
    return gateway.listener(fmt::format("grpcJsonTranscoder: {{protoDescriptor: {}, services: [{}]}}", path, service));
  };
  EXPECT_TRUE(said("/gone.pb").contains("protoDescriptor: cannot read /gone.pb")) << said("/gone.pb");
  files.file_text = "syntax = \"proto3\";";
  EXPECT_TRUE(said("/set.pb").contains("protoDescriptor: /set.pb: it is no google.protobuf.FileDescriptorSet"));
  EXPECT_FALSE(said("/set.pb").contains("Base64"));
  files.file_text = kSet;
  EXPECT_TRUE(said("/set.pb").contains("it is in Base64: decode it with base64 -d")) << said("/set.pb");
  files.file_text = "";
  EXPECT_TRUE(said("/set.pb").contains("the set has no service 'bookstore.Bookstore'"));
  files.file_text = transcoding::descriptor_set_of(transcoding::kBookstore);
  EXPECT_TRUE(said("/set.pb", "bookstore.Bookstor").contains("did you mean bookstore.Bookstore?"));
  EXPECT_EQ(said("/set.pb"), "");
  EXPECT_EQ(gateway.chain().filters.size(), 1U);
  EXPECT_EQ(gateway.send({.path = "/v2/books/x"}).status, 400);
}

}  // namespace
}  // namespace sluice::grpc_json
