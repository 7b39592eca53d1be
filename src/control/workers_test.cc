#include "control/workers.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <semaphore>

#include "base/metrics.h"

namespace sluice {
namespace {

// Answers with the name it was given.
class Named final : public Service {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  Task<Response> handle(Request& request) const override { return local_reply(request, 200, name_, "test"); }

 private:
  std::string name_;
};

// A client's side of a port of this machine; blocking.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    connected = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }

  // The body of the answer, or what went wrong.
  std::string ask() {
    constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    if (!connected) return "refused";
    if (::send(fd_, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return "closed";
    std::string got;
    while (got.find("\r\n\r\n") == std::string::npos || !got.ends_with('.')) {
      char bytes[4096];
      const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
      if (n <= 0) return "closed";
      got.append(bytes, static_cast<size_t>(n));
    }
    return got.substr(got.find("\r\n\r\n") + 4);
  }
  bool connected = false;

 private:
  int fd_;
};

std::string ask(uint16_t port) {
  return Client(port).ask();
}

// A port that another program has.
class TakenPort {
 public:
  TakenPort() {
    SocketAddress real = *SocketAddress::parse("127.0.0.1", 0);
    ::getsockname(fd_, real.get(), &real.length);
    number = real.port();
  }
  TakenPort(const TakenPort&) = delete;
  TakenPort& operator=(const TakenPort&) = delete;
  ~TakenPort() { ::close(fd_); }
  uint16_t number = 0;

 private:
  const int fd_ = *ListenSocket::open(*SocketAddress::parse("127.0.0.1", 0), false);
};

// How many sockets of this process listen on a port, and have an option of SOL_SOCKET set.
size_t listeners_on(uint16_t port, int option = SO_ACCEPTCONN) {
  size_t found = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    SocketAddress own;
    own.length = sizeof own.v6_address;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
        ::getsockname(fd, own.get(), &own.length) == 0 && own.port() == port &&
        ::getsockopt(fd, SOL_SOCKET, option, &listens, &size) == 0 && listens)
      ++found;
  }
  return found;
}

class WorkersTest : public testing::Test {
 protected:
  WorkersTest() { workers_.start(); }
  ~WorkersTest() override {
    // Listeners end when their connections have; only then may their threads.
    workers_.publish(std::make_shared<Snapshot>());
    workers_.drain(Nanos(0), [this] { drained_.release(); });
    drained_.acquire();
    workers_.stop();
  }

  struct Port {
    std::string gateway;
    std::string address;
    uint16_t port;
  };
  std::map<std::string, Error> publish(const std::vector<Port>& ports, std::string_view suffix = ".") {
    auto snapshot = std::make_shared<Snapshot>();
    for (const Port& port : ports) {
      auto listener = std::make_unique<SnapshotListener>();
      listener->gateway = port.gateway;
      listener->address = *SocketAddress::parse(port.address, port.port);
      ListenerConfig& config = listener->http.emplace_back().config;
      config.service = std::make_shared<Named>(port.gateway + std::string(suffix));
      config.metrics = server_metrics_;
      listener->socket_options = socket_options_;
      listener->serve_http();
      snapshot->listeners.push_back(std::move(listener));
    }
    return workers_.publish(std::move(snapshot));
  }
  // Until each worker serves what was published last: a new connection may come to any of them.
  void wait_for_workers() {
    workers_.on_each([this](unsigned) { applied_.release(); });
    for (size_t i = 0; i < kWorkers; ++i) applied_.acquire();
  }
  uint16_t port(std::string_view gateway) const {
    for (const OpenPort& open : workers_.open_ports())
      if (open.gateway == gateway) return open.address.port();
    return 0;
  }

  std::vector<SocketOption> socket_options_;
  Loop home_;
  Metrics metrics_{3};
  LogFiles log_files_{3, metrics_};
  std::shared_ptr<const ServerMetrics> server_metrics_ = std::make_shared<ServerMetrics>(metrics_, "http");
  static constexpr unsigned kWorkers = 2;
  Workers workers_{kWorkers, log_files_, metrics_, share_descriptors(1024, kWorkers)};
  std::counting_semaphore<> drained_{0}, applied_{0};
};

TEST_F(WorkersTest, opens_the_port_that_the_system_chose_and_keeps_it_over_snapshots) {
  ASSERT_TRUE(publish({{"g", "127.0.0.1", 0}}).empty());
  const uint16_t chosen = port("g");
  ASSERT_NE(chosen, 0);
  EXPECT_TRUE(workers_.open_ports()[0].any_port);
  EXPECT_EQ(ask(chosen), "g.");
  ASSERT_TRUE(publish({{"g", "127.0.0.1", 0}}, "2.").empty());
  EXPECT_EQ(port("g"), chosen);
}

TEST_F(WorkersTest, opens_other_sockets_for_other_options_and_connections_stay) {
  const auto port_of = [this] { return workers_.open_ports().at(0).address.port(); };
  ASSERT_TRUE(publish({{"a", "127.0.0.1", 0}}).empty());
  const uint16_t port = port_of();
  const size_t sockets = listeners_on(port);
  Client client(port);
  EXPECT_EQ(client.ask(), "a.");
  socket_options_ = {{.description = "keepalive", .level = SOL_SOCKET, .name = SO_KEEPALIVE, .value = {1, 0, 0, 0}}};
  ASSERT_TRUE(publish({{"a", "127.0.0.1", 0}}, "2.").empty());
  wait_for_workers();
  EXPECT_EQ(port_of(), port);
  EXPECT_EQ(client.ask(), "a2.");
  EXPECT_EQ(ask(port), "a2.");
  EXPECT_EQ(listeners_on(port), sockets);
  EXPECT_EQ(listeners_on(port, SO_KEEPALIVE), sockets);

  socket_options_[0].name = 9999;
  const auto failed = publish({{"a", "127.0.0.1", 0}}, "3.");
  ASSERT_TRUE(failed.contains("a"));
  EXPECT_TRUE(failed.at("a").message.contains("refuses the socket option \"keepalive\" (level 1, name 9999)"));
  wait_for_workers();
  EXPECT_EQ(client.ask(), "a3.") << "the rest of the change is in force";
  EXPECT_EQ(ask(port), "a3.");
  EXPECT_EQ(listeners_on(port, SO_KEEPALIVE), sockets);

  socket_options_.clear();
  ASSERT_TRUE(publish({{"a", "127.0.0.1", 0}}).empty());
  wait_for_workers();
  EXPECT_EQ(listeners_on(port, SO_KEEPALIVE), 0U);
  EXPECT_EQ(listeners_on(port), sockets);
}

TEST_F(WorkersTest, does_not_open_a_port_whose_options_are_refused) {
  socket_options_ = {{.level = IPPROTO_TCP, .name = 9999, .value = "1234"}};
  const auto failed = publish({{"a", "127.0.0.1", 0}});
  ASSERT_TRUE(failed.contains("a"));
  EXPECT_TRUE(failed.at("a").message.contains("level 6, name 9999"));
  EXPECT_TRUE(workers_.open_ports().empty());
}

TEST_F(WorkersTest, hands_an_open_port_to_the_gateway_that_takes_over_its_address) {
  ASSERT_TRUE(publish({{"first", "127.0.0.1", 0}}).empty());
  const uint16_t free = port("first");
  publish({});
  while (!publish({{"one", "127.0.0.1", free}}).empty()) continue;  // ends as soon as both workers have let go of it
  Client stays(free);
  EXPECT_EQ(stays.ask(), "one.");
  ASSERT_TRUE(publish({{"two", "127.0.0.1", free}}).empty());
  wait_for_workers();
  EXPECT_EQ(stays.ask(), "two.");  // the same connection: nothing was dropped
  EXPECT_EQ(port("two"), free);
}

TEST_F(WorkersTest, tells_of_a_port_that_is_taken_and_goes_on_with_the_one_before) {
  ASSERT_TRUE(publish({{"other", "127.0.0.1", 0}, {"g", "127.0.0.1", 0}}).empty());
  const uint16_t before = port("g");
  const int taken = *ListenSocket::open(*SocketAddress::parse("127.0.0.1", 0), false);
  SocketAddress real = *SocketAddress::parse("127.0.0.1", 0);
  ::getsockname(taken, real.get(), &real.length);
  const auto failed = publish({{"other", "127.0.0.1", 0}, {"g", "127.0.0.1", real.port()}});
  ASSERT_TRUE(failed.contains("g"));
  EXPECT_NE(failed.at("g").message.find(std::to_string(real.port())), std::string::npos) << failed.at("g").message;
  EXPECT_EQ(port("g"), before);
  EXPECT_EQ(ask(before), "g.");

  ::close(taken);
  EXPECT_TRUE(publish({{"other", "127.0.0.1", 0}, {"g", "127.0.0.1", real.port()}}).empty());
  EXPECT_EQ(port("g"), real.port());
  EXPECT_EQ(ask(real.port()), "g.");
}

TEST_F(WorkersTest, opens_an_address_that_overlaps_an_own_one_once_that_is_closed) {
  ASSERT_TRUE(publish({{"g", "127.0.0.1", 0}}).empty());
  const uint16_t number = port("g");
  ASSERT_TRUE(publish({{"h", "127.0.0.1", 0}}).empty());
  while (!publish({{"g", "127.0.0.1", number}}).empty()) continue;  // ends as soon as both workers have let go of it
  // The narrow one is let go at the first try, so a later one succeeds.
  while (!publish({{"g", "0.0.0.0", number}}).empty()) continue;
  EXPECT_EQ(ask(number), "g.");
}

TEST_F(WorkersTest, tells_which_workers_could_not_listen_and_tries_again) {
  Loop& home = home_;
  int changes = 0;
  workers_.tell_of_failures(home, [&] { ++changes; });
  const auto limit = [&](size_t most) {
    workers_.on_each([this, most](unsigned i) {
      if (i == 1) workers_.loops().loop(i).limit_watches(most);
    });
  };
  limit(1);                                               // the loop's own
  EXPECT_TRUE(publish({{"g", "127.0.0.1", 0}}).empty());  // a worker's answer comes later
  while (changes < 1) home.turn(1s);
  ASSERT_TRUE(workers_.failures().contains("g"));
  EXPECT_NE(workers_.failures().at("g").message.find("1 of 2 workers cannot listen on 127.0.0.1:"), std::string::npos);
  EXPECT_NE(workers_.failures().at("g").message.find("max_user_watches"), std::string::npos);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(port("g")), "g.");  // the other serves; no connection waits for this one

  EXPECT_TRUE(publish({{"g", "127.0.0.1", 0}}).contains("g"));  // tried again, in vain
  while (changes < 2) home.turn(1s);
  limit(SIZE_MAX);
  publish({{"g", "127.0.0.1", 0}});
  while (changes < 3) home.turn(1s);
  EXPECT_TRUE(workers_.failures().empty());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(port("g")), "g.");
}

TEST_F(WorkersTest, gives_the_port_of_a_gateway_that_cannot_move_to_the_one_that_asks_for_it) {
  ASSERT_TRUE(publish({{"a", "127.0.0.1", 0}}).empty());
  const uint16_t wanted = port("a");
  publish({});
  while (!publish({{"a", "127.0.0.1", wanted}}).empty()) continue;  // ends as soon as both workers have let go of it
  Client stays(wanted);
  EXPECT_EQ(stays.ask(), "a.");
  const TakenPort taken;
  for (int i = 0; i < 2; ++i) {  // again when it is tried again
    const auto failed = publish({{"a", "127.0.0.1", taken.number}, {"b", "127.0.0.1", wanted}});
    EXPECT_EQ(failed.size(), 1u);
    EXPECT_TRUE(failed.contains("a"));
    ASSERT_EQ(workers_.open_ports().size(), 1u);
    EXPECT_EQ(port("b"), wanted);
  }
  wait_for_workers();
  EXPECT_EQ(stays.ask(), "b.");  // the same connection: nothing was dropped
  EXPECT_EQ(ask(wanted), "b.");
}

TEST_F(WorkersTest, serves_only_the_first_of_two_gateways_with_one_address) {
  ASSERT_TRUE(publish({{"a", "127.0.0.1", 0}}).empty());
  const uint16_t number = port("a");
  publish({});
  // Not at once: what the workers have not closed yet is taken.
  while (publish({{"a", "127.0.0.1", number}, {"b", "127.0.0.1", number}}).contains("a")) continue;
  for (int i = 0; i < 2; ++i) {  // with the port just opened, and when it was open before
    const auto failed = publish({{"a", "127.0.0.1", number}, {"b", "127.0.0.1", number}});
    ASSERT_TRUE(failed.contains("b"));
    EXPECT_FALSE(failed.contains("a"));
    EXPECT_EQ(failed.at("b").message, fmt::format("cannot listen on 127.0.0.1:{}: Gateway a has this address", number));
    ASSERT_EQ(workers_.open_ports().size(), 1u);
    EXPECT_EQ(port("a"), number);
  }
}

TEST_F(WorkersTest, opens_one_port_for_a_worker_that_is_told_twice_before_it_could_answer) {
  int changes = 0;
  workers_.tell_of_failures(home_, [&] { ++changes; });
  const auto limit = [&](size_t most) {
    workers_.on_each([this, most](unsigned i) {
      if (i == 1) workers_.loops().loop(i).limit_watches(most);
    });
  };
  limit(1);  // the loop's own
  publish({{"g", "127.0.0.1", 0}});
  while (changes < 1) home_.turn(1s);
  limit(SIZE_MAX);
  std::binary_semaphore go{0};
  workers_.on_each([&go](unsigned i) {
    if (i == 1) go.acquire();
  });
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(publish({{"g", "127.0.0.1", 0}}).contains("g"));
  EXPECT_EQ(listeners_on(port("g")), 2u);  // connections that came to a third one would be lost
  go.release();
  while (changes < 2) home_.turn(1s);
  EXPECT_TRUE(workers_.failures().empty());
  EXPECT_EQ(listeners_on(port("g")), 2u);
  for (int i = 0; i < 40; ++i) ASSERT_EQ(ask(port("g")), "g.");
}

// Never answers.
class Silent final : public Service {
 public:
  Task<Response> handle(Request& request) const override {
    auto waiting = sleep_for(request.loop, 1h);
    CO_TRY(co_await waiting);
    co_return local_reply(request, 200, "", "test");
  }
};

TEST_F(WorkersTest, ends_by_force_what_has_not_ended_when_the_drain_timeout_of_a_port_that_is_gone_is_over) {
  auto snapshot = std::make_shared<Snapshot>();
  auto listener = std::make_unique<SnapshotListener>();
  listener->gateway = "g";
  listener->address = *SocketAddress::parse("127.0.0.1", 0);
  listener->drain_timeout = 50ms;
  ListenerConfig& config = listener->http.emplace_back().config;
  config.service = std::make_shared<Silent>();
  config.metrics = server_metrics_;
  listener->serve_http();
  snapshot->listeners.push_back(std::move(listener));
  ASSERT_TRUE(workers_.publish(std::move(snapshot)).empty());
  Client busy(port("g"));
  std::thread change([&] {
    while (server_metrics_->requests_active->value() == 0) std::this_thread::yield();
    publish({});
  });
  EXPECT_EQ(busy.ask(), "closed");
  change.join();
  EXPECT_EQ(server_metrics_->connections_forced->value(), 1);
}

// Knows on which thread it was taken apart.
class Dying final : public Service {
 public:
  explicit Dying(std::thread::id& where) : where_(where) {}
  ~Dying() override { where_ = std::this_thread::get_id(); }
  Task<Response> handle(Request& request) const override { return local_reply(request, 200, "x.", "test"); }

 private:
  std::thread::id& where_;
};

TEST_F(WorkersTest, takes_snapshots_apart_on_the_control_thread_whoever_held_them_last) {
  Loop& home = home_;
  workers_.tell_of_failures(home, [] {});
  std::thread::id where, where_rules;
  {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->egress = std::shared_ptr<const EgressNow>(new EgressNow, [&](const EgressNow* rules) {
      where_rules = std::this_thread::get_id();
      delete rules;
    });
    auto listener = std::make_unique<SnapshotListener>();
    listener->gateway = "g";
    listener->address = *SocketAddress::parse("127.0.0.1", 0);
    ListenerConfig& config = listener->http.emplace_back().config;
    config.service = std::make_shared<Dying>(where);
    config.metrics = server_metrics_;
    listener->serve_http();
    snapshot->listeners.push_back(std::move(listener));
    workers_.publish(std::move(snapshot));
  }
  EXPECT_EQ(ask(port("g")), "x.");
  publish({});
  while (where == std::thread::id()) home.turn(1s);
  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_EQ(where_rules, std::this_thread::get_id());
}

TEST_F(WorkersTest, ends_draining_once_no_connection_is_left) {
  ASSERT_TRUE(publish({{"g", "127.0.0.1", 0}}).empty());
  Client idle(port("g"));
  EXPECT_EQ(idle.ask(), "g.");
  workers_.drain(1h, [this] { drained_.release(); });
  drained_.acquire();
  EXPECT_EQ(idle.ask(), "closed");
}

}  // namespace
}  // namespace sluice
