#include "simulation/client.h"

#include <charconv>

#include "net/memory_stream.h"

namespace sluice::simulation {
namespace {

int number_of(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Client::Client(HttpListener& gateway, Ledger& ledger, unsigned number, uint64_t seed)
    : gateway_(gateway),
      ledger_(ledger),
      number_(number),
      random_(seed),
      manner_(chance(70) ? Manner::patient : static_cast<Manner>(1 + random_.below(3))) {
  const auto requests = static_cast<unsigned>(1 + random_.below(6));
  for (unsigned i = 0; i < requests; ++i) plans_.push_back(draw(i));
  // The last thing on a connection, and not while it goes away.
  if (Plan& last = plans_.back(); manner_ == Manner::patient && last.method == "GET" && chance(80)) {
    last.upgrades = true;
    last.pipelined = false;
    last.head.insert(last.head.size() - 2, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  }
}

Client::Plan Client::draw(unsigned request) {
  constexpr std::string_view kMethods[] = {"GET", "GET", "HEAD", "POST", "POST", "PUT"};
  Plan plan;
  plan.id = fmt::format("/client/{}/request/{}", number_, request);
  plan.to = kPlaces[random_.below(chance(70) ? 3 : std::size(kPlaces))];
  plan.method = kMethods[random_.below(std::size(kMethods))];
  plan.pipelined = chance(30);
  if (plan.method == "POST" || plan.method == "PUT") {
    plan.body_bytes = chance(15) ? random_.below(200'000) : random_.below(3000);
    plan.framing = chance(50) ? Framing::length : Framing::chunked;
    plan.expects_continue = chance(20) && plan.body_bytes > 0;
    plan.body = content(plan.id, plan.body_bytes);
    if (plan.framing == Framing::chunked) plan.body = chunked(plan.body, chance(20) ? "x-t: 1\r\n" : "", random_);
  }
  plan.head = fmt::format("{} {} HTTP/1.1\r\nHost: gateway.test\r\nx-to: {}\r\n", plan.method, plan.id, plan.to);
  if (plan.framing == Framing::length) plan.head += fmt::format("Content-Length: {}\r\n", plan.body_bytes);
  if (plan.framing == Framing::chunked) plan.head += "Transfer-Encoding: chunked\r\n";
  if (plan.expects_continue) plan.head += "Expect: 100-continue\r\n";
  if (chance(20)) plan.head += "TE: trailers\r\nConnection: te\r\n";
  if (chance(5)) plan.head += "Connection: close\r\n";
  plan.head += "\r\n";
  return plan;
}

Task<void> Client::run() {
  auto nap = sleep_for(loop(), random_.below(3000) * 1ms);
  CO_TRY(co_await nap);
  constexpr size_t kCapacities[] = {100, 4096, 64U << 10, 64U << 10};
  StreamPair ends = memory_streams(loop(), kCapacities[random_.below(std::size(kCapacities))]);
  stream_ = std::move(ends.upstream);
  out_.emplace(*stream_, random_.next());
  in_.emplace(*stream_, random_.next());
  quiet_since_ = loop().now();
  gateway_.server().take(
      {Seat(gateway_.listener()), std::move(ends.downstream), SocketAddress::v4(INADDR_LOOPBACK, 1)});
  writer_.spawn(write());
  auto reading = read();
  const Status read = co_await reading;
  writer_.cancel();
  auto joining = writer_.join();
  co_await joining;
  stream_.reset();
  note("is done");
  co_return read;
}

// --- what it asks -----------------------------------------------------------------------------------------------

Task<void> Client::write() {
  auto writing = write_requests();
  const Status written = co_await writing;
  if (!written && written.error().kind == ErrorKind::cancelled) co_return written;
  if (written && manner_ == Manner::half_closes) stream_->end_writing();
  co_return Status{};
}

Task<void> Client::write_requests() {
  for (const Plan& plan : plans_) {
    while (!closed_ && answered_ < begun_ && !plan.pipelined) {
      auto waiting = news_.wait(loop());
      CO_TRY(co_await waiting);
    }
    if (closed_) co_return Status{};
    const bool last = &plan == &plans_.back();
    std::string_view head = plan.head, body = plan.body;
    const bool breaks = last && (manner_ == Manner::leaves || manner_ == Manner::stalls);
    if (breaks && (body.empty() || chance(50)))
      head = head.substr(0, random_.below(head.size() + 1)), body = {};
    else if (breaks)
      body = body.substr(0, random_.below(body.size()));
    const bool head_is_whole = head.size() == plan.head.size();
    if (head_is_whole)
      ledger_.asked[plan.id] = {.method = plan.method,
                                .to = plan.to,
                                .body_bytes = plan.body_bytes,
                                .safe = plan.method != "POST" && plan.framing == Framing::none,
                                .upgrades = plan.upgrades};
    note(fmt::format("asks {} {} of {}, {} bytes{}{}", plan.method, plan.id, plan.to, plan.body_bytes,
                     plan.expects_continue ? ", expects 100" : "", breaks ? ", which it breaks off" : ""));
    continued_ = false;
    if (!head.empty()) {
      ++begun_;
      asked_at_.push_back(loop().now());
    }
    auto heading = out_->say(head);
    CO_TRY(co_await heading);
    bool goes_on = true;
    if (head_is_whole && plan.expects_continue) {
      auto waiting = wait_for_continue();
      goes_on = CO_TRY(co_await waiting);
    }
    if (!goes_on) co_return Status{};
    auto sending = out_->say(body);
    CO_TRY(co_await sending);
    if (!breaks) {
      ++sent_;
      sent_at_.push_back(loop().now());
      note(fmt::format("has sent {}", plan.id));
      continue;
    }
    if (manner_ == Manner::stalls) co_return cancelled_error();  // and says nothing of it
    auto nap = sleep_for(loop(), random_.below(300) * 1ms);
    CO_TRY(co_await nap);
    note("leaves");
    stream_->abort();
  }
  co_return Status{};
}

// As RFC 9110 10.1.1 has it: not for ever. False: there was an answer instead, and the body is not wanted.
Task<bool> Client::wait_for_continue() {
  const size_t before = begun_;
  const SteadyTime until = loop().now() + 2s;
  while (!continued_ && !closed_ && answered_ < before && loop().now() < until) {
    auto waiting = news_.wait(loop(), until);
    const Status waited = co_await waiting;
    if (!waited && waited.error().kind == ErrorKind::cancelled) co_return std::unexpected(waited.error());
  }
  if (answered_ == before && !continued_ && !closed_)
    fault("an answer in place of 100 leaves open where the next request begins");
  co_return !closed_;
}

// --- what it hears ----------------------------------------------------------------------------------------------

Task<void> Client::read() {
  while (answered_ < plans_.size() && !closed_) {
    auto reading = read_answer();
    const auto more = co_await reading;
    if (!more && more.error().kind == ErrorKind::cancelled) co_return std::unexpected(more.error());
    if (!more || !*more) {
      closed_ = true;
      news_.notify(loop());
      co_return Status{};
    }
  }
  news_.notify(loop());
  if (chance(50) && !closed_) co_return Status{};
  // A head that did not come whole in time is answered with a body, though it may have begun with HEAD.
  if (timed_out_) co_return Status{};
  // Nothing may come that nobody asked for; behind "connection: close" the end must come.
  auto ending = in_->hear_end(loop().now() + (closed_ ? Nanos(60s) : Nanos(random_.below(100) * 1s)));
  const Status ended = co_await ending;
  if (!ended && ended.error().kind == ErrorKind::invalid) fault(ended.error().message);
  if (!ended && ended.error().kind == ErrorKind::timeout && closed_) fault("the end does not come, though it was told");
  co_return Status{};
}

// False: the connection has ended instead.
Task<bool> Client::read_answer() {
  for (;;) {
    Message answer;
    auto reading = in_->read_head(answer);
    const auto came = co_await reading;
    if (!came && came.error().kind == ErrorKind::cancelled) co_return came;
    if (!came || !*came) {
      judge_end(came ? nullptr : &came.error(), false, answer);
      co_return false;
    }
    if (answered_ >= begun_) {
      fault(fmt::format("`{}` came before anything was asked", answer.start));
      co_return false;
    }
    const int status = answer.start.starts_with("HTTP/1.1 ") ? number_of(std::string_view(answer.start).substr(9)) : -1;
    const Plan& plan = plans_[answered_];
    if (status == 100 || status == 103) {
      if (status == 100 && !plan.expects_continue) fault("100 came though nobody waited for it");
      continued_ = true;
      news_.notify(loop());
      continue;
    }
    if (status == 101 && plan.upgrades) {
      judge(answer, true);
      auto tunnelling = tunnel();
      const Status tunnelled = co_await tunnelling;
      if (!tunnelled && tunnelled.error().kind == ErrorKind::cancelled) co_return std::unexpected(tunnelled.error());
      ++answered_;
      closed_ = true;
      news_.notify(loop());
      co_return true;
    }
    const bool bodiless = plan.method == "HEAD" || status == 204 || status == 304;
    const auto framing = framing_of(answer, Framing::until_end);
    if (!framing || (*framing == Framing::until_end && !bodiless)) {
      fault(fmt::format("{} was answered without a length", plan.id));
      co_return false;
    }
    auto body = in_->read_body(answer, bodiless ? Framing::none : *framing);
    const Status whole = co_await body;
    if (!whole && whole.error().kind == ErrorKind::cancelled) co_return std::unexpected(whole.error());
    judge(answer, whole.has_value());
    if (!whole) {
      judge_end(&whole.error(), true, answer);
      co_return false;
    }
    quiet_since_ = loop().now();
    closed_ = answer.closes();
    timed_out_ = status == 408;
    ++answered_;
    news_.notify(loop());
    co_return true;
  }
}

// What goes in comes back behind the greeting, unless the gateway is told to end.
Task<void> Client::tunnel() {
  tunnelled_ = content(plans_[answered_].id, 1 + random_.below(2000));
  writer_.spawn(out_->say(tunnelled_));  // while it reads
  Message echo;
  echo.fields.emplace_back("content-length", std::to_string(kGreeting.size() + tunnelled_.size()));
  auto reading = in_->read_body(echo, Framing::length);
  const Status came = co_await reading;
  if (!came && came.error().kind == ErrorKind::cancelled) co_return came;
  if (const std::string whole = std::string(kGreeting) + tunnelled_; !whole.starts_with(echo.body))
    fault("what came out of a tunnel is not what went in");
  if (!came && !ledger_.draining && !ledger_.asked[plans_[answered_].id].refused) fault("a tunnel was cut");
  ledger_.tunnels += came.has_value();
  note(fmt::format("has its tunnel for {}{}", plans_[answered_].id, came ? "" : ", which is cut"));
  stream_->end_writing();
  co_return Status{};
}

void Client::judge(const Message& answer, bool whole) {
  const Plan& plan = plans_[answered_];
  const int status = number_of(std::string_view(answer.start).substr(9));
  note(fmt::format("hears {} for {}{}{}", status, plan.id, whole ? "" : ", which is cut",
                   answer.closes() ? ", the last" : ""));
  if ((status < 200 && !(status == 101 && plan.upgrades)) || status > 599)
    return fault(fmt::format("{} was answered `{}`", plan.id, answer.start));
  if (whole) ++ledger_.whole_answers[static_cast<size_t>(status) / 100 - 1];
  if (const auto asked = ledger_.asked.find(plan.id); asked != ledger_.asked.end()) ++asked->second.answers_seen;
  if (!answer.field("x-answer").empty())
    judge_of_host(answer, whole, status);
  else
    judge_own(answer, whole, status);
}

void Client::judge_of_host(const Message& answer, bool whole, int status) {
  const Plan& plan = plans_[answered_];
  ++ledger_.answers_of_hosts_seen;
  const auto number = static_cast<size_t>(number_of(answer.field("x-answer")));
  if (number >= ledger_.answers.size() || answer.field("x-echo") != plan.id || ledger_.answers[number].id != plan.id)
    return fault(fmt::format("{} was given the answer to {}", plan.id, answer.field("x-echo")));
  Answer& given = ledger_.answers[number];
  if (++given.times_seen > 1) fault(fmt::format("answer {} came twice", number));
  if (given.status != status) fault(fmt::format("answer {} was {} and became {}", number, given.status, status));
  const bool bodiless = plan.method == "HEAD" || status == 204 || status == 304 || status == 101;
  const std::string body = bodiless ? "" : content(fmt::format("answer {}", number), given.bytes);
  if (whole ? answer.body != body : !body.starts_with(answer.body))
    fault(fmt::format("answer {} has another body: {} bytes of {}", number, answer.body.size(), body.size()));
}

void Client::judge_own(const Message& answer, bool whole, int status) {
  const Plan& plan = plans_[answered_];
  if (!whole && manner_ == Manner::leaves) return;
  if (!whole) return fault(fmt::format("{}: the gateway cut its own answer {}", plan.id, status));
  if (plan.to == "local" || plan.to == "collect") {
    if (status == 200 && plan.method != "HEAD" && answer.body != plan.id)
      fault(fmt::format("{} was answered `{}` by the gateway", plan.id, answer.body));
    if (status == 200) return;
  }
  // Or was until now; and behind a host that does not read, a long body is not read either.
  const bool unfinished = sent_ <= answered_ || loop().now() - sent_at_[answered_] < 1s || plan.body_bytes > 30'000;
  const bool may_be = status == 503 || status == 504 || status == 502 ||
                      (status == 403 && ledger_.asked[plan.id].refused) || (status == 408 && unfinished);
  ledger_.policy_refusals += status == 403 && plan.to != "denied.test";
  if (!may_be) fault(fmt::format("{} was answered {} `{}`", plan.id, status, answer.body));
}

// There is an answer to everything that was asked whole, unless one of few reasons speaks against it.
void Client::judge_end(const Error* error, bool head_came, const Message& answer) {
  if (error && error->kind == ErrorKind::invalid) return fault(fmt::format("what came is no HTTP: {}", error->message));
  if (answered_ >= begun_) return;
  const Plan& plan = plans_[answered_];
  note(fmt::format("hears the end in place of {}", plan.id));
  ++ledger_.unanswered;
  if (manner_ == Manner::half_closes || manner_ == Manner::leaves || ledger_.draining) return;
  if (head_came) {
    if (ledger_.asked[plan.id].refused) return;  // by rules that came meanwhile
    // The answer of a host that was cut there, or took longer than it may.
    const auto number = static_cast<size_t>(number_of(answer.field("x-answer")));
    if (number < ledger_.answers.size() && ledger_.answers[number].whole &&
        loop().now() - asked_at_[answered_] < kTimeoutMin)
      fault(fmt::format("answer {} was cut, though its host sent it whole", number));
    return;
  }
  // An answer that a host had begun was cut, by rules that came meanwhile or by a timeout, before the client had taken
  // its head.
  const bool begun = std::ranges::count(ledger_.answers, plan.id, &Answer::id) > 0;
  if (begun && (ledger_.asked[plan.id].refused || loop().now() - asked_at_[answered_] >= kTimeoutMin)) return;
  // Both ends gave up a connection that lay idle at the same time.
  if (asked_at_[answered_] - quiet_since_ >= kKeepAlive - 1s) return;
  // Answered early and closed; what was still sent then met a reset, which may overtake the answer (RFC 9112 9.6).
  if (error && error->kind == ErrorKind::reset && sent_ <= answered_) return;
  fault(fmt::format("{} was not answered", plan.id));
}

}  // namespace sluice::simulation
