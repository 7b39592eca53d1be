#include "simulation/host.h"

namespace sluice::simulation {

struct Host::Open {
  explicit Open(size_t& n) : count(n) { ++count; }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  ~Open() { --count; }
  size_t& count;
};

void Host::called(MemoryCall call) {
  if (name_ == ledger_.denied_now) ledger_.wrong.push_back(name_ + " is dialled, which the rules refuse");
  const unsigned trouble = mood_ == Mood::good ? 2 : mood_ == Mood::moody ? 15 : 60;
  if (!chance(trouble)) {
    connections_.spawn(serve(call.accept()));
    return;
  }
  switch (random_.below(4)) {
    case 0: return call.refuse();
    case 1: return connections_.spawn(ignore(std::move(call)));
    default: return connections_.spawn(pick_up(std::move(call), 1ms + random_.below(400) * 1ms, chance(40)));
  }
}

Task<void> Host::pick_up(MemoryCall call, Nanos after, bool refuses) {
  const Open counted(open_);
  auto nap = sleep_for(loop_, after);
  CO_TRY(co_await nap);
  if (refuses) {
    call.refuse();
    co_return Status{};
  }
  auto serving = serve(call.accept());
  co_return co_await serving;
}

Task<void> Host::ignore(MemoryCall call) {
  const Open counted(open_);
  while (!call.given_up()) {
    auto nap = sleep_for(loop_, 50ms);
    CO_TRY(co_await nap);
  }
  co_return Status{};
}

Host::Deed Host::draw_deed() {
  const unsigned trouble = mood_ == Mood::good ? 4 : mood_ == Mood::moody ? 25 : 60;
  if (!chance(trouble)) return Deed::answer;
  return static_cast<Deed>(1 + random_.below(6));
}

// Whether the request is one that somebody has asked.
bool Host::check(const Message& request, std::string& method, std::string& id) {
  const size_t space = request.start.find(' ');
  const size_t second = request.start.find(' ', space + 1);
  if (second == std::string::npos || request.start.substr(second) != " HTTP/1.1") {
    ledger_.fault(loop_.now(), fmt::format("{} was sent `{}`", name_, request.start));
    return false;
  }
  method = request.start.substr(0, space);
  id = request.start.substr(space + 1, second - space - 1);
  const auto asked = ledger_.asked.find(id);
  if (asked == ledger_.asked.end() || asked->second.method != method) {
    ledger_.fault(loop_.now(), fmt::format("{} was sent `{}`, which nobody asked", name_, request.start));
    return false;
  }
  if (!asked->second.may_reach.contains(name_))
    ledger_.fault(loop_.now(), fmt::format("{} was sent {} to {}, which its configuration does not let go there", name_,
                                           id, asked->second.to));
  ++asked->second.deliveries;
  ++heads_read_;
  note("reads " + id);
  return true;
}

void Host::check_body(const Message& request, const std::string& id) {
  if (request.body != content(id, ledger_.asked.find(id)->second.body_bytes))
    ledger_.fault(loop_.now(), fmt::format("{} got another body of {} than its client sent: {} bytes of {}", name_, id,
                                           request.body.size(), ledger_.asked.find(id)->second.body_bytes));
}

Task<void> Host::wait_for_end(Stream& stream) {
  while (!stream.peer_ended() && !stream.is_broken()) {
    auto nap = sleep_for(loop_, 50ms);
    CO_TRY(co_await nap);
  }
  co_return Status{};
}

Task<void> Host::serve(std::unique_ptr<Stream> stream) {
  const Open counted(open_);
  Wire wire(*stream, random_.next());
  for (;;) {
    Message request;
    auto reading = wire.read_head(request);
    const auto came = co_await reading;
    if (!came && came.error().kind == ErrorKind::invalid)
      ledger_.fault(loop_.now(), fmt::format("{} was sent what is no request: {}", name_, came.error().message));
    if (!came || !*came) co_return Status{};
    std::string method, id;
    if (!check(request, method, id)) co_return Status{};
    const auto framing = framing_of(request, Framing::none);
    if (!framing) {
      ledger_.fault(loop_.now(), fmt::format("{} cannot tell where {} ends", name_, id));
      co_return Status{};
    }
    const Deed deed = draw_deed();
    if (deed == Deed::garbage) {
      note("says garbage to " + id);
      auto saying = wire.say("HTTP/9.9 what\r\n\r\n");
      co_return co_await saying;
    }
    bool goes_on = true;
    if (deed == Deed::answer_early) {
      const size_t number = ledger_.answers.size();
      auto answering = answer(wire, method, id, false);
      goes_on = CO_TRY(co_await answering);
      if (goes_on && chance(30)) {
        // With the body unread: that is a reset, which may overtake the answer.
        ledger_.answers[number].whole = false;
        co_return Status{};
      }
    }
    if (deed == Deed::stall_unread) {
      note("does not answer " + id);
      auto waiting = wait_for_end(*stream);
      co_return co_await waiting;
    }
    if (deed == Deed::cut && chance(50)) co_return Status{};
    if (!request.field("expect").empty() && deed != Deed::answer_early && chance(80)) {
      auto saying = wire.say("HTTP/1.1 100 Continue\r\n\r\n");
      CO_TRY(co_await saying);
    }
    auto body = wire.read_body(request, *framing);
    const auto whole = co_await body;
    if (!whole && whole.error().kind == ErrorKind::invalid)
      ledger_.fault(loop_.now(), fmt::format("{} was sent a broken body of {}: {}", name_, id, whole.error().message));
    if (!whole) co_return Status{};
    check_body(request, id);
    if (deed == Deed::stall) {
      note("does not answer " + id);
      auto swallowing = wire.swallow();
      co_return co_await swallowing;
    }
    if (deed == Deed::cut || !goes_on) co_return Status{};
    if (deed == Deed::answer && request.field("upgrade") == "websocket" && chance(70)) {
      auto tunnelling = tunnel(*stream, wire, id);
      co_return co_await tunnelling;
    }
    if (deed != Deed::answer_early) {
      if (chance(10)) {
        auto nap = sleep_for(loop_, random_.below(3000) * 1ms);
        CO_TRY(co_await nap);
      }
      auto answering = answer(wire, method, id, deed == Deed::cut_answer);
      goes_on = CO_TRY(co_await answering);
    }
    if (!goes_on) co_return Status{};
    // Closed without a word, as servers do with connections that lie idle.
    if (chance(15)) {
      auto nap = sleep_for(loop_, random_.below(200) * 1ms);
      CO_TRY(co_await nap);
      if (!stream->has_buffered()) co_return Status{};
    }
  }
}

// Greets, then says all again that it hears.
Task<void> Host::tunnel(Stream& stream, Wire& wire, const std::string& id) {
  const size_t number = ledger_.answers.size();
  ledger_.answers.push_back({.id = id, .status = 101, .whole = true});
  note(fmt::format("becomes a tunnel for {}, number {}", id, number));
  const std::string opening = fmt::format(
      "HTTP/1.1 101 Whatever\r\nConnection: upgrade\r\nUpgrade: websocket\r\nx-echo: {}\r\nx-answer: {}\r\n\r\n{}", id,
      number, kGreeting);
  ++heads_sent_;
  // The first to speak, perhaps together with the head.
  auto saying = wire.say(opening);
  CO_TRY(co_await saying);
  for (;;) {
    char buffer[300];
    auto reading = stream.read(buffer);
    const size_t got = CO_TRY(co_await reading);
    if (got == 0) co_return Status{};
    auto echoing = wire.say({buffer, got});
    CO_TRY(co_await echoing);
  }
}

Task<bool> Host::answer(Wire& wire, const std::string& method, const std::string& id, bool cut) {
  constexpr int kStatuses[] = {200, 200, 200, 201, 204, 304, 404, 409, 429, 500, 503, 503};
  const int status = mood_ == Mood::good && chance(80) ? 200 : kStatuses[random_.below(std::size(kStatuses))];
  const size_t bytes = chance(10) ? random_.below(150'000) : random_.below(2000);
  const size_t number = ledger_.answers.size();
  ledger_.answers.push_back({.id = id, .status = status, .bytes = bytes});
  note(fmt::format("answers {} with {} number {}{}", id, status, number, cut ? ", which it cuts" : ""));
  auto framing = static_cast<Framing>(1 + random_.below(3));
  if (cut && framing == Framing::until_end) framing = Framing::length;
  const bool bodiless = method == "HEAD" || status == 204 || status == 304;
  const bool closes = (framing == Framing::until_end && !bodiless) || chance(10);

  std::string text;
  if (chance(5)) text += "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
  text += fmt::format("HTTP/1.1 {} Whatever\r\nx-echo: {}\r\nx-answer: {}\r\n", status, id, number);
  if (closes && chance(80)) text += "Connection: close\r\n";
  if (framing == Framing::length && status != 204) text += fmt::format("Content-Length: {}\r\n", bytes);
  if (framing == Framing::chunked && !bodiless) text += "Transfer-Encoding: chunked\r\n";
  text += "\r\n";
  if (!bodiless) {
    const std::string body = content(fmt::format("answer {}", number), bytes);
    text += framing == Framing::chunked ? chunked(body, chance(20) ? "x-trailer: t\r\n" : "", random_) : body;
  }
  ++heads_sent_;
  if (cut) {
    auto saying = wire.say(std::string_view(text).substr(0, random_.below(text.size())));
    CO_TRY(co_await saying);
    co_return false;
  }
  auto saying = wire.say(text);
  CO_TRY(co_await saying);
  ledger_.answers[number].whole = true;
  co_return !closes;
}

}  // namespace sluice::simulation
