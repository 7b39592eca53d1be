#include <charconv>

#include <fmt/format.h>

#include "simulation/protocols.h"
#include "simulation/wire.h"

namespace sluice::simulation {
namespace {

constexpr size_t kEcho = 5 + kTunnelled.size();

bool bodiless(std::string_view method, int status) {
  return method == "HEAD" || status == 204 || status == 304 || status / 100 == 1;
}

std::string in_chunks(std::string_view body, std::string_view trailer) {
  Random random(body.size());
  return chunked(body, trailer.empty() ? "" : fmt::format("x-sum: {}\r\n", trailer), random);
}

std::string sum_of(const Message& message) {
  constexpr std::string_view kName = "x-sum: ";
  const size_t at = message.trailers.find(kName);
  if (at == std::string::npos) return {};
  const size_t from = at + kName.size();
  return message.trailers.substr(from, message.trailers.find('\n', from) - from);
}

// A head and what follows it, up to a point.
std::string_view until(std::string_view text, size_t head, Point point) {
  switch (point) {
    case Point::in_head: return text.substr(0, head / 2);
    case Point::before_body: return text.substr(0, head);
    case Point::in_body: return text.substr(0, head + (text.size() - head) / 2);
    case Point::behind: break;
  }
  return text;
}

class H1Client final : public ClientDriver {
 public:
  H1Client(std::unique_ptr<Stream> stream, std::string_view version)
      : version_(version), stream_(std::move(stream)), wire_(*stream_), wire_out_(*stream_) {}
  Task<void> ask(const Ask& ask, Saw& saw) override;

 private:
  std::string head(const Ask& ask) const;
  Task<void> send(const Ask& ask, Saw& saw, bool& over);
  Task<void> send_body();
  Task<void> hear(const Ask& ask, Saw& saw);
  Task<bool> hear_head(Saw& saw, Message& answer);
  Task<void> tunnel(Saw& saw);

  const std::string_view version_;
  std::unique_ptr<Stream> stream_;
  Wire wire_, wire_out_;   // one for each direction
  bool answered_ = false;  // while it waited for 100
  Message answer_;
  std::string body_;
  TaskGroup writer_;
};

std::string H1Client::head(const Ask& ask) const {
  std::string text = fmt::format("{} {} {}\r\nHost: matrix.test\r\n", ask.method, ask.path, version_);
  if (!ask.length_known)
    text += "Transfer-Encoding: chunked\r\n";
  else if (ask.method == "POST" || !ask.body.empty())
    text += fmt::format("Content-Length: {}\r\n", ask.body.size());
  if (ask.expects_continue) text += "Expect: 100-continue\r\n";
  if (ask.upgrades) text += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  if (ask.takes_trailers) text += "TE: trailers\r\nConnection: TE\r\n";
  if (ask.last) text += "Connection: close\r\n";
  return text + "\r\n";
}

// False: the connection has ended in place of an answer.
Task<bool> H1Client::hear_head(Saw& saw, Message& answer) {
  for (;;) {
    answer = {};
    auto reading = wire_.read_head(answer);
    const bool came = CO_TRY(co_await reading);
    if (!came) co_return false;
    int status = 0;
    if (answer.start.size() > 12) std::from_chars(answer.start.data() + 9, answer.start.data() + 12, status);
    if (status / 100 != 1 || status == 101) {
      saw.status = status;
      co_return true;
    }
    saw.interim.push_back(status);
    if (status == 100) co_return true;
  }
}

Task<void> H1Client::send(const Ask& ask, Saw& saw, bool& over) {
  const std::string first = head(ask);
  const std::string text = first + (ask.length_known ? ask.body : in_chunks(ask.body, ask.trailer));
  if (const auto point = ask.leaves ? ask.leaves : ask.stalls) {
    auto saying = wire_.say(until(text, first.size(), *point));
    CO_TRY(co_await saying);
    if (ask.leaves) stream_->abort();
    over = ask.leaves.has_value();
    co_return Status{};
  }
  auto saying = wire_.say(first);
  CO_TRY(co_await saying);
  if (ask.expects_continue) {
    auto hearing = hear_head(saw, answer_);
    over = !CO_TRY(co_await hearing);
    answered_ = saw.status != 0;
    if (over || answered_) co_return Status{};
  }
  body_ = text.substr(first.size());
  writer_.spawn(send_body());
  co_return Status{};
}

// While the answer is read, as it may come first; what comes of it says the answer.
Task<void> H1Client::send_body() {
  auto saying = wire_out_.say(body_);
  co_return co_await saying;
}

Task<void> H1Client::tunnel(Saw& saw) {
  auto saying = wire_.say(kTunnelled);
  CO_TRY(co_await saying);
  Message echo;
  echo.fields.emplace_back("content-length", std::to_string(kEcho));
  auto reading = wire_.read_body(echo, Framing::length);
  CO_TRY(co_await reading);
  saw.body = echo.body;
  saw.whole = true;
  stream_->end_writing();
  auto ending = wire_.hear_end(stream_->loop().now() + 60s);
  co_return co_await ending;
}

Task<void> H1Client::hear(const Ask& ask, Saw& saw) {
  while (!answered_ && saw.status == 0) {
    auto hearing = hear_head(saw, answer_);
    const bool came = CO_TRY(co_await hearing);
    if (!came) {
      saw.last = true;
      co_return Status{};
    }
  }
  answered_ = false;
  if (saw.status == 101) {
    auto tunnelling = tunnel(saw);
    co_return co_await tunnelling;
  }
  if (ask.leaves_in_answer) {
    stream_->abort();
    co_return Status{};
  }
  saw.last = answer_.closes();
  saw.length_told = !answer_.field("content-length").empty();
  const auto framing = CO_TRY(framing_of(answer_, Framing::until_end));
  auto reading = wire_.read_body(answer_, bodiless(ask.method, saw.status) ? Framing::none : framing);
  const Status read = co_await reading;
  saw.body = answer_.body;
  saw.trailer = sum_of(answer_);
  // HTTP/1 cannot say that a body that ends with its connection is whole, so the gateway must not end one like that.
  saw.whole = read.has_value() && (framing != Framing::until_end || bodiless(ask.method, saw.status));
  if (!saw.last) co_return read;
  CO_TRY(read);
  auto ending = wire_.hear_end(stream_->loop().now() + 60s);
  co_return co_await ending;
}

Task<void> H1Client::ask(const Ask& ask, Saw& saw) {
  bool over = false;
  auto sending = send(ask, saw, over);
  CO_TRY(co_await sending);
  if (over) co_return Status{};
  auto hearing = hear(ask, saw);
  const Status heard = co_await hearing;
  // Where the connection goes on, all of the body is part of it.
  if (!heard || saw.last) writer_.cancel();
  auto joining = writer_.join();
  co_await joining;
  co_return heard;
}

class H1Host final : public HostDriver {
 public:
  H1Host(std::unique_ptr<Stream> stream, std::string_view version)
      : version_(version), stream_(std::move(stream)), wire_(*stream_) {}
  Task<void> serve(const Script& script, std::vector<Heard>& heard) override;

 private:
  bool old() const { return version_ == "HTTP/1.0"; }
  // False: the connection is over.
  Task<bool> take(const Script& script, std::vector<Heard>& heard);
  Task<bool> read_body(const Script& script, Message& request, std::vector<Heard>& heard, size_t place);
  Task<bool> answer(const Script& script, const Message& request, const Heard& heard);
  std::string answer_head(const Script& script, const Heard& heard) const;
  Task<void> tunnel();
  bool leave() {
    stream_->abort();
    return false;
  }

  const std::string_view version_;
  std::unique_ptr<Stream> stream_;
  Wire wire_;
};

Task<void> H1Host::serve(const Script& script, std::vector<Heard>& heard) {
  for (;;) {
    auto taking = take(script, heard);
    const bool more = CO_TRY(co_await taking);
    if (!more) co_return Status{};
  }
}

Task<bool> H1Host::take(const Script& script, std::vector<Heard>& heard) {
  if (script.leaves == Point::in_head) {
    auto hearing = wire_.hear_end(SteadyTime::max());
    co_await hearing;
    co_return leave();
  }
  Message request;
  auto reading = wire_.read_head(request);
  const bool came = CO_TRY(co_await reading);
  if (!came) co_return false;
  const size_t space = request.start.find(' '), second = request.start.find(' ', space + 1);
  if (second == std::string::npos) co_return fail(ErrorKind::invalid, request.start);
  const size_t place = heard.size();
  heard.push_back(
      {.method = request.start.substr(0, space), .path = request.start.substr(space + 1, second - space - 1)});
  if (script.leaves == Point::before_body) co_return leave();
  bool more = true;
  if (script.early) {
    auto answering = answer(script, request, heard[place]);
    more = CO_TRY(co_await answering);
  }
  auto body = read_body(script, request, heard, place);
  const bool goes_on = CO_TRY(co_await body);
  if (!goes_on || !more) co_return false;
  if (script.silent) {
    auto waiting = wire_.hear_end(SteadyTime::max());
    co_await waiting;
    co_return false;
  }
  if (script.early) co_return true;
  auto answering = answer(script, request, heard[place]);
  co_return co_await answering;
}

Task<bool> H1Host::read_body(const Script& script, Message& request, std::vector<Heard>& heard, size_t place) {
  const auto framing = CO_TRY(framing_of(request, Framing::none));
  if (script.leaves == Point::in_body) {  // some of it has come
    while (!stream_->has_buffered() && !stream_->is_broken()) {
      auto nap = sleep_for(stream_->loop(), 1ms);
      CO_TRY(co_await nap);
    }
    co_return leave();
  }
  auto reading = wire_.read_body(request, framing);
  const Status read = co_await reading;
  heard[place].body = request.body;
  heard[place].trailer = sum_of(request);
  heard[place].whole = read.has_value();
  CO_TRY(read);
  co_return script.leaves == Point::behind ? leave() : true;
}

std::string H1Host::answer_head(const Script& script, const Heard& heard) const {
  std::string text = fmt::format("{} {} Whatever\r\n", version_, script.status);
  const bool has_length = script.length_known && script.status != 204 && script.status != 101;
  if (has_length) text += fmt::format("Content-Length: {}\r\n", script.body.size());
  if (script.status == 101) text += "Connection: upgrade\r\nUpgrade: websocket\r\n";
  if (!script.length_known && !old() && !bodiless(heard.method, script.status))
    text += "Transfer-Encoding: chunked\r\n";
  if (script.last) text += "Connection: close\r\n";
  return text + "\r\n";
}

Task<bool> H1Host::answer(const Script& script, const Message& request, const Heard& heard) {
  std::string first;
  if (!old())
    for (const int status : script.interim) first += fmt::format("HTTP/1.1 {} Whatever\r\nlink: </x>\r\n\r\n", status);
  const size_t interim = first.size();
  first += answer_head(script, heard);
  std::string text = first;
  const bool chunks = !script.length_known && !old();
  if (!bodiless(heard.method, script.status)) text += chunks ? in_chunks(script.body, script.trailer) : script.body;
  if (script.leaves_then) {
    const size_t in_head = interim + (first.size() - interim) / 2;
    auto saying = wire_.say(script.leaves_then == Point::in_head ? std::string_view(text).substr(0, in_head)
                                                                 : until(text, first.size(), *script.leaves_then));
    CO_TRY(co_await saying);
    co_return leave();
  }
  auto saying = wire_.say(text);
  CO_TRY(co_await saying);
  if (script.status == 101) {
    auto tunnelling = tunnel();
    CO_TRY(co_await tunnelling);
    co_return false;
  }
  co_return !script.last && !old() && request.field("connection") != "close";
}

Task<void> H1Host::tunnel() {
  Message said;
  said.fields.emplace_back("content-length", std::to_string(kTunnelled.size()));
  auto reading = wire_.read_body(said, Framing::length);
  CO_TRY(co_await reading);
  const std::string echo = "echo " + said.body;
  auto saying = wire_.say(echo);
  CO_TRY(co_await saying);
  auto waiting = wire_.hear_end(SteadyTime::max());
  co_return co_await waiting;
}

template <class Driver, class Base>
std::unique_ptr<Base> old_one(std::unique_ptr<Stream> stream) {
  return std::make_unique<Driver>(std::move(stream), "HTTP/1.0");
}
template <class Driver, class Base>
std::unique_ptr<Base> new_one(std::unique_ptr<Stream> stream) {
  return std::make_unique<Driver>(std::move(stream), "HTTP/1.1");
}

constexpr Feature kAll{.interim = true, .trailers = true, .unknown_length = true, .upgrade = true};
constexpr Feature kHttp2{.interim = true,
                         .trailers = true,
                         .unknown_length = true,
                         .upgrade = true,
                         .several = true,
                         .converses = true,
                         .declined = 502};
constexpr ClientProtocol kClients[] = {
    {"http_1_0", {}, 426, old_one<H1Client, ClientDriver>},
    {"http_1_1", kAll, 0, new_one<H1Client, ClientDriver>},
    {"h2c", kHttp2, 0, open_h2_client},
};
constexpr HostProtocol kHosts[] = {
    {"http_1_0", {}, false, old_one<H1Host, HostDriver>},
    {"http_1_1", kAll, false, new_one<H1Host, HostDriver>},
    {"h2c", kHttp2, true, open_h2_host},
};

}  // namespace

std::span<const ClientProtocol> client_protocols() {
  return kClients;
}
std::span<const HostProtocol> host_protocols() {
  return kHosts;
}

}  // namespace sluice::simulation
