#include "forward/connect_tunnel.h"

#include <gtest/gtest.h>

#include "io/loop.h"
#include "net/memory_stream.h"

namespace sluice {
namespace {

TcpTunnel tunnel(std::string_view host, std::initializer_list<std::pair<const char*, const char*>> headers = {}) {
  TcpTunnel out{.host = *Format::compile(host, FormatUse::header_value), .headers = {}};
  for (const auto& [name, value] : headers)
    out.headers.push_back({name, *Format::compile(value, FormatUse::header_value)});
  return out;
}

class ConnectTunnel : public testing::Test {
 protected:
  ConnectTunnel() {
    loop.use_manual_clock(SteadyTime(1'000'000s), WallTime(0s));
    StreamPair pair = memory_streams(loop);
    proxy = std::move(pair.downstream);
    stream = std::move(pair.upstream);
  }
  ~ConnectTunnel() override {
    tasks.cancel();
    let_happen();
  }
  // Streams in memory tell their news within a turn or two.
  void let_happen() {
    for (int turns = 0; turns < 5; ++turns) loop.turn(0ns);
  }
  void ask(const TcpTunnel& through) {
    tasks.spawn(run(through));
    let_happen();
  }
  Task<void> run(const TcpTunnel& through) {
    auto connecting = connect_through(std::move(stream), through, info, loop.now() + 5s);
    auto connected = co_await connecting;
    done = true;
    if (connected)
      stream = *std::move(connected);
    else
      error = connected.error();
    co_return Status{};
  }
  std::string heard() {
    std::string into(4096, '\0');
    const auto got = proxy->try_read(into);
    return got && *got ? into.substr(0, **got) : "";
  }
  void say(std::string_view bytes) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    CHECK(proxy->try_write(std::span(&part, 1)).has_value());
    let_happen();
  }
  std::string rest() {
    std::string into(4096, '\0');
    const auto got = stream->try_read(into);
    return got && *got ? into.substr(0, **got) : "";
  }

  Loop loop;
  StreamInfo info;
  std::unique_ptr<Stream> proxy, stream;
  TaskGroup tasks;
  bool done = false;
  std::optional<Error> error;
};

TEST_F(ConnectTunnel, asks_for_the_host_and_gives_what_is_behind_the_answer) {
  info.requested_server_name = "db.example";
  const TcpTunnel through = tunnel("%REQUESTED_SERVER_NAME%:5432", {{"x-name", "%REQUESTED_SERVER_NAME%"},
                                                                    {"x-none", "%DYNAMIC_METADATA(a:b)%"},
                                                                    {"proxy-authorization", "Basic x"}});
  ask(through);
  EXPECT_EQ(heard(),
            "CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\nx-name: db.example\r\n"
            "proxy-authorization: Basic x\r\n\r\n");
  EXPECT_FALSE(done);
  // RFC 9110 9.3.6: what is said of a length is not.
  say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_TRUE(done && !error) << error->message;
  EXPECT_EQ(rest(), "hello");
}

TEST_F(ConnectTunnel, takes_an_answer_that_comes_byte_by_byte_behind_an_interim_one) {
  const TcpTunnel through = tunnel("a:1");
  ask(through);
  for (const char c : std::string_view("HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")) {
    EXPECT_FALSE(done);
    say(std::string_view(&c, 1));
  }
  ASSERT_TRUE(done && !error);
  say("x");
  EXPECT_EQ(rest(), "x");
}

TEST_F(ConnectTunnel, says_what_the_proxy_answered) {
  const TcpTunnel through = tunnel("a:1");
  ask(through);
  say("HTTP/1.1 403 Forbidden\r\n\r\n");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "the proxy answered CONNECT with 403");
  EXPECT_EQ(error->kind, ErrorKind::denied);
  EXPECT_EQ(error->side, Side::ours) << "the proxy is well";
}

struct Row {
  const char* answer;
  const char* said;
};

TEST_F(ConnectTunnel, takes_nothing_else_for_an_answer) {
  for (const Row& row : {Row{"SSH-2.0-x\r\n", "the proxy's answer to CONNECT is no HTTP/1"},
                         Row{"HTTP/1.1 502 Bad\r\n\r\n", "the proxy answered CONNECT with 502"},
                         Row{"HTTP/1.1 301 Gone\r\n\r\n", "the proxy answered CONNECT with 301"},
                         Row{"HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "the proxy's answer to CONNECT is no HTTP/1"}}) {
    StreamPair pair = memory_streams(loop);
    proxy = std::move(pair.downstream);
    stream = std::move(pair.upstream);
    error.reset();
    const TcpTunnel through = tunnel("a:1");
    ask(through);
    say(row.answer);
    ASSERT_TRUE(error) << row.answer;
    EXPECT_EQ(error->message, row.said);
    if (std::string_view(row.answer).contains("502")) EXPECT_EQ(error->side, Side::upstream);
  }
}

TEST_F(ConnectTunnel, bounds_the_head_and_the_time_of_an_answer) {
  const TcpTunnel through = tunnel("a:1");
  ask(through);
  say("HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 20 && !done; ++i) say("x: " + std::string(1000, 'y') + "\r\n");
  ASSERT_TRUE(error) << "16 KiB";
  StreamPair pair = memory_streams(loop);
  proxy = std::move(pair.downstream);
  stream = std::move(pair.upstream);
  error.reset();
  ask(through);
  loop.advance(5100ms);
  let_happen();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::timeout);
}

TEST_F(ConnectTunnel, asks_nothing_where_there_is_no_host) {
  for (const char* host : {"%REQUESTED_SERVER_NAME%:443", "db.example", "a b:1", "a:", "a:x", "u@a:1", "a:123456"}) {
    StreamPair pair = memory_streams(loop);
    proxy = std::move(pair.downstream);
    stream = std::move(pair.upstream);
    error.reset();
    const TcpTunnel through = tunnel(host);
    ask(through);
    ASSERT_TRUE(error) << host;
    EXPECT_TRUE(error->message.contains("is no host with a port")) << error->message;
    EXPECT_EQ(heard(), "");
  }
}

TEST_F(ConnectTunnel, tells_of_a_proxy_that_ends_without_an_answer) {
  const TcpTunnel through = tunnel("a:1");
  ask(through);
  say("HTTP/1.1 2");
  proxy->end_writing();
  let_happen();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::closed);
  EXPECT_EQ(error->side, Side::upstream);
}

}  // namespace
}  // namespace sluice
