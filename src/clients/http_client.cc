#include "clients/http_client.h"

#include <algorithm>

#include "base/check.h"
#include "http/body_budget.h"
#include "http/grpc.h"
#include "io/loop.h"

namespace sluice {
namespace {

constexpr MetricFamily kCalls{"sluice_client_calls_total", "Calls that sluice made itself, by client."};
constexpr MetricFamily kFailures{"sluice_client_failures_total", "Of these, those that got no answer."};
constexpr MetricFamily kRefused{"sluice_client_calls_refused_total",
                                "Calls that were not made, as too many of this client were under way on a worker."};
constexpr MetricFamily kActive{"sluice_client_calls_active", "Calls under way.", MetricType::gauge};
constexpr MetricFamily kTime{"sluice_client_call_time_seconds", "Time from a call to the end of its answer.",
                             MetricType::histogram};

// W3C Trace Context, B3 in its two forms, and Envoy's id of a request.
constexpr std::string_view kTraceHeaders[] = {"traceparent",  "tracestate",  "b3",
                                              "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid",
                                              "x-b3-sampled", "x-b3-flags",  "x-request-id"};

// What the end of a chain answered in the upstream's place.
ErrorKind error_kind_of(OutcomeKind outcome) {
  switch (outcome) {
    case OutcomeKind::upstream_overflow: return ErrorKind::overload;
    case OutcomeKind::route_timeout:
    case OutcomeKind::per_try_timeout:
    case OutcomeKind::upstream_idle:
    case OutcomeKind::client_idle: return ErrorKind::timeout;
    case OutcomeKind::upstream_protocol: return ErrorKind::invalid;
    default: return ErrorKind::unreachable;
  }
}

Error error_of(const StreamInfo& info, const Response& response, std::string text) {
  if (info.outcome.kind == OutcomeKind::no_cluster) text = "the Upstream does not exist";
  if (text.empty()) text = info.details;
  return {.kind = error_kind_of(info.outcome.kind),
          .message = std::move(text),
          .side = Side::upstream,
          .code = response.status_before_grpc != 0 ? response.status_before_grpc : response.status};
}

// Of the gateway's own answer, which is a status of gRPC where that was asked for.
std::string text_of(const Response& response, std::string body) {
  const auto message = response.headers->get(grpc::kMessageField);
  return message && response.status_before_grpc != 0 ? grpc::decode_message(*message) : std::move(body);
}

Error too_large(size_t bytes_max) {
  return {.kind = ErrorKind::limit,
          .message = fmt::format("the answer is larger than {} bytes", bytes_max),
          .side = Side::upstream};
}

void take_fields(const Headers& from, HeaderTexts& to) {
  for (const HeaderField& field : from) to.emplace_back(std::string(field.name), std::string(field.value));
}

// One call under way; lives in the frame of send().
class Call final : private Waiter {
 public:
  Call(WorkerPlace at, HttpCall what, const Service& upstream, BodyBudget* bodies)
      : loop_(*at.loop), what_(std::move(what)), upstream_(upstream), request_(arena_, loop_, info_) {
    request_.upstreams = at.upstreams;
    request_.background = &sending_;
    request_.body_budget = bodies;
    if (bodies) share_.emplace(*bodies);
    info_.start = loop_.now();
    info_.start_wall = loop_.wall();
    fill_request();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    timer_.disarm();
    arena_.reset();  // gives the connection back; before the request it refers to goes
  }

  Task<HttpAnswer> run();

 private:
  void fill_request();
  Task<void> exchange();
  Task<void> collect(const Response& response);
  Status make_room(size_t bytes);
  // The deadline: all that waits unwinds.
  void wake() override {
    late_ = true;
    exchanging_.cancel();
  }
  void cancel() override {}

  Loop& loop_;
  HttpCall what_;
  const Service& upstream_;
  Arena arena_;
  StreamInfo info_;
  TaskGroup sending_;     // the body, while the answer is read
  TaskGroup exchanging_;  // a task of its own, so that the deadline ends it and not its caller
  Request request_;
  Timer timer_;
  bool late_ = false;
  std::optional<BodyBudget::Share> share_;  // of the answer's body
  Result<HttpAnswer> answer_ = cancelled_error();
};

void Call::fill_request() {
  request_.method = what_.method;
  request_.path = what_.path;
  request_.authority = what_.authority;
  request_.grpc = request_.accepts_trailers = what_.grpc;
  info_.method = request_.method;
  info_.original_path = request_.path;
  for (const auto& [name, value] : what_.headers) {
    if (name == header_name(Known::x_request_id)) info_.request_id = value;
    request_.headers.add(name, value);
  }
  if (!what_.body.empty()) request_.body = {arena_.make<TextBody>(std::span(what_.body)), what_.body.size()};
}

Task<HttpAnswer> Call::run() {
  timer_.arm(loop_, later(loop_.now(), what_.timeout), *this);
  exchanging_.spawn(exchange());
  auto ending = exchanging_.join();
  CO_TRY(co_await ending);
  timer_.disarm();
  sending_.cancel();
  auto sent = sending_.join();
  CO_TRY(co_await sent);
  if (!answer_ && answer_.error().kind == ErrorKind::cancelled && late_)
    co_return fail(ErrorKind::timeout, fmt::format("no whole answer within {}", format_duration(what_.timeout)),
                   Side::upstream);
  co_return std::move(answer_);
}

Task<void> Call::exchange() {
  auto handling = upstream_.handle(request_);
  const auto response = co_await handling;
  if (!response) {
    answer_ = std::unexpected(response.error());
    co_return Status{};
  }
  answer_.emplace();
  auto collecting = collect(*response);
  const Status collected = co_await collecting;
  if (!collected)
    answer_ = std::unexpected(collected.error());
  else if (response->local)
    answer_ = std::unexpected(error_of(info_, *response, text_of(*response, std::move(answer_->body))));
  co_return Status{};
}

// For so many bytes of the answer's body, in all.
Status Call::make_room(size_t bytes) {
  std::string& body = answer_->body;
  if (bytes <= body.capacity()) return {};
  const size_t room = std::min(std::max(bytes, 2 * body.capacity()), what_.response_bytes_max);
  TRY(pay(share_ ? &*share_ : nullptr, body.capacity() + room));
  body.reserve(room);
  if (share_) share_->only(body.capacity());
  return {};
}

Task<void> Call::collect(const Response& response) {
  answer_->status = response.status;
  take_fields(*response.headers, answer_->headers);
  std::string& body = answer_->body;
  const Body& from = response.body;
  if (from.length.value_or(0) > what_.response_bytes_max)
    co_return std::unexpected(too_large(what_.response_bytes_max));
  if (from.length) CO_TRY(make_room(*from.length));
  while (from.reader) {
    auto reading = from.reader->read();
    const Chunk chunk = CO_TRY(co_await reading);
    if (chunk.bytes.size() > what_.response_bytes_max - body.size())
      co_return std::unexpected(too_large(what_.response_bytes_max));
    CO_TRY(make_room(body.size() + chunk.bytes.size()));
    body.append(chunk.bytes.data(), chunk.bytes.size());
    if (chunk.last) break;
  }
  if (what_.grpc && from.reader)
    if (const Headers* trailers = from.reader->trailers()) take_fields(*trailers, answer_->trailers);
  co_return Status{};
}

// Counts a call as long as it is under way.
class Counted {
 public:
  explicit Counted(Gauge& active) : active_(active) { active_.add(1); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { active_.sub(1); }

 private:
  Gauge& active_;
};

}  // namespace

HeaderTexts trace_headers(const Request& cause) {
  HeaderTexts found;
  for (const HeaderField& field : cause.headers)
    if (std::ranges::find(kTraceHeaders, field.name) != std::end(kTraceHeaders))
      found.emplace_back(std::string(field.name), std::string(field.value));
  return found;
}

ClientMetrics::ClientMetrics(Metrics& metrics, const std::string& client) {
  const Labels labels = {{"client", client}};
  calls = metrics.metric(kCalls, labels);
  failures = metrics.metric(kFailures, labels);
  refused = metrics.metric(kRefused, labels);
  active = metrics.metric(kActive, labels);
  time = metrics.histogram(kTime, labels);
}

std::vector<MetricFamily> ClientMetrics::families() {
  return {kCalls, kFailures, kRefused, kActive, kTime};
}

bool HttpClient::admits() const {
  if (metrics_.active->mine() < static_cast<int64_t>(limits_.calls_max)) return true;
  metrics_.refused->add();
  return false;
}

Task<HttpAnswer> HttpClient::send(WorkerPlace at, HttpCall what) const {
  CHECK(what.timeout > 0s);
  if (!admits())
    co_return fail(ErrorKind::overload, fmt::format("{} calls of this client are under way", limits_.calls_max));
  const Counted counted(*metrics_.active);
  metrics_.calls->add();
  const SteadyTime start = at.loop->now();
  // Stay for as long as the call, whatever becomes of the client.
  const auto upstream = upstream_;
  const ClientMetrics metrics = metrics_;
  BodyBudget* const bodies = limits_.bodies;
  Call call(at, std::move(what), *upstream, bodies);
  auto running = call.run();
  auto answer = co_await running;
  metrics.time->record_nanos((at.loop->now() - start).count());
  if (!answer) metrics.failures->add();
  co_return answer;
}

}  // namespace sluice
