#include "filters/jwt/remote_keys.h"

#include "base/log.h"

namespace sluice::jwt {
namespace {

constexpr MetricFamily kFetched{"envoy_http_jwt_authn_jwks_fetch_success", "Key sets fetched from a URL"};
constexpr MetricFamily kFailed{"envoy_http_jwt_authn_jwks_fetch_failed",
                               "Key sets that could not be fetched from a URL, or not be used"};
constexpr MetricFamily kLimited{"sluice_jwks_unknown_key_limited_total",
                                "Tokens with an unknown key for which no keys were fetched, as others had them fetched "
                                "a moment ago"};
constexpr MetricFamily kWaitingRefused{"sluice_jwks_waiting_refused_total",
                                       "Requests that were refused keys, as too many waited for them"};
constexpr MetricFamily kWaiting{"sluice_jwks_waiting", "Requests that wait for keys to be fetched", MetricType::gauge};
constexpr MetricFamily kMissing{"sluice_jwks_missing", "URLs of which there are no keys, as they cannot be fetched",
                                MetricType::gauge};
constexpr MetricFamily kStale{"sluice_jwks_stale",
                              "URLs whose keys are older than cacheDuration and in use, as no newer can be fetched",
                              MetricType::gauge};

Result<std::shared_ptr<const jose::KeySet>> read_keys(const Result<HttpAnswer>& answer) {
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != 200) return invalid(fmt::format("the answer has status {}", answer->status));
  return jose::KeySet::parse_jwk_set(answer->body);
}

}  // namespace

JwksMetrics::JwksMetrics(Metrics& metrics)
    : fetched(metrics.metric(kFetched, {{"envoy_http_conn_manager_prefix", "http"}})),
      failed(metrics.metric(kFailed, {{"envoy_http_conn_manager_prefix", "http"}})),
      limited(metrics.metric(kLimited)),
      waiting_refused(metrics.metric(kWaitingRefused)),
      waiting(metrics.metric(kWaiting)),
      missing(metrics.metric(kMissing)),
      stale(metrics.metric(kStale)) {}

std::vector<MetricFamily> JwksMetrics::families() {
  return {kFetched, kFailed, kLimited, kWaitingRefused, kWaiting, kMissing, kStale};
}

// --- the owner's side -------------------------------------------------------------------------------------------

// Made on the control thread; from its first message on it is the owner's alone. Whoever posts to it holds it.
class RemoteKeys::Fetcher final : public std::enable_shared_from_this<Fetcher>, private Waiter {
 public:
  Fetcher(JwksSource source, HttpClient client, std::span<const WorkerPlace> workers, const JwksMetrics& metrics)
      : source_(std::move(source)),
        client_(std::move(client)),
        workers_(workers.begin(), workers.end()),
        owner_(workers_[std::hash<std::string>{}(source_.url) % workers_.size()]),
        metrics_(metrics),
        schedule_(source_.cache_duration) {}

  Loop& loop() const { return *owner_.loop; }
  void serve(const std::shared_ptr<RemoteKeys>& workers) { to_workers_ = workers; }

  // From a worker that knows this version of the keys and does not find what it looks for.
  void want_newer(size_t worker, uint64_t version, HeaderTexts trace);
  void prepare(std::move_only_function<void()> settled);
  void end();

 private:
  void wake() override { look(); }
  void cancel() override {}
  void look();
  void fetch(HeaderTexts trace);
  Task<void> ask(HeaderTexts trace);
  void fetched();
  void take(std::shared_ptr<const jose::KeySet> keys);
  void tell_failed(const Error& error) const;
  void set_keys(std::shared_ptr<const jose::KeySet> keys);
  void tell(size_t worker);
  void tell_all();
  void settle_all();
  void count();

  const JwksSource source_;
  const HttpClient client_;
  const std::vector<WorkerPlace> workers_;
  const WorkerPlace owner_;
  const JwksMetrics metrics_;
  std::weak_ptr<RemoteKeys> to_workers_;

  JwksSchedule schedule_;
  Known known_;
  std::vector<std::move_only_function<void()>> preparing_;
  Timer timer_;
  bool ending_ = false;
  bool counted_missing_ = false;
  bool counted_stale_ = false;
  std::shared_ptr<Fetcher> self_;  // while it fetches: it must not end before
  Result<std::shared_ptr<const jose::KeySet>> answer_ = cancelled_error();
  Runner fetching_{this, [](void* self, Result<void>) { static_cast<Fetcher*>(self)->fetched(); }};
};

void RemoteKeys::Fetcher::want_newer(size_t worker, uint64_t version, HeaderTexts trace) {
  if (ending_ || schedule_.is_fetching()) return;  // it will hear of that
  const SteadyTime now = loop().now();
  const bool changed = version != known_.version;
  if (!changed && schedule_.has_keys() && now >= schedule_.unknown_key_at()) {
    schedule_.fetch_begins_for_unknown_key(now);
    return fetch(std::move(trace));
  }
  if (!changed && !schedule_.has_keys() && now >= schedule_.missing_at()) {
    schedule_.fetch_begins();
    return fetch(std::move(trace));
  }
  tell(worker);
}

// A fetch that failed is enough: the listener is not to wait for ever.
void RemoteKeys::Fetcher::prepare(std::move_only_function<void()> settled) {
  if (ending_ || schedule_.has_keys() || schedule_.is_failing()) return settled();
  preparing_.push_back(std::move(settled));
  if (schedule_.is_fetching()) return;
  schedule_.fetch_begins();
  fetch({});
}

void RemoteKeys::Fetcher::end() {
  ending_ = true;
  timer_.disarm();
  if (std::exchange(counted_missing_, false)) metrics_.missing->sub();
  if (std::exchange(counted_stale_, false)) metrics_.stale->sub();
  settle_all();
  fetching_.cancel();
}

// What is due by itself.
void RemoteKeys::Fetcher::look() {
  const SteadyTime now = loop().now();
  if (schedule_.drop_ended(now)) {
    log::error("jwt", "keys are too old to count, and no newer ones can be fetched", {{"url", source_.url}});
    set_keys(nullptr);
    tell_all();
  }
  if (schedule_.is_fetch_due(now)) {
    schedule_.fetch_begins();
    return fetch({});
  }
  count();
  timer_.arm(loop(), schedule_.wakes_at(), *this);
}

void RemoteKeys::Fetcher::fetch(HeaderTexts trace) {
  timer_.arm(loop(), schedule_.wakes_at(), *this);
  self_ = shared_from_this();
  answer_ = cancelled_error();
  fetching_.start(ask(std::move(trace)));
}

Task<void> RemoteKeys::Fetcher::ask(HeaderTexts trace) {
  auto calling = client_.send(owner_, {.authority = source_.authority,
                                       .path = source_.path,
                                       .headers = std::move(trace),
                                       .timeout = kFetchTimeout,
                                       .response_bytes_max = jose::KeySet::kTextBytesMax});
  const auto answer = co_await calling;
  answer_ = read_keys(answer);
  co_return Status{};
}

void RemoteKeys::Fetcher::fetched() {
  loop().post([last = std::move(self_)] {});  // perhaps the last reference: not from within
  if (ending_) return;
  const SteadyTime now = loop().now();
  if (answer_) {
    metrics_.fetched->add();
    schedule_.fetch_succeeded(now);
    take(*std::move(answer_));
  } else {
    metrics_.failed->add();
    if (!schedule_.is_failing()) tell_failed(answer_.error());
    schedule_.fetch_failed(now);
  }
  known_.missing_at = schedule_.missing_at();
  known_.unknown_key_at = schedule_.unknown_key_at();
  tell_all();
  settle_all();
  look();
}

void RemoteKeys::Fetcher::take(std::shared_ptr<const jose::KeySet> keys) {
  if (known_.keys && known_.keys->identity() == keys->identity()) return;
  log::info("jwt", "keys fetched", {{"url", source_.url}, {"keys", keys->keys().size()}});
  for (const std::string& skipped : keys->skipped())
    log::warn("jwt", "a key cannot be used", {{"url", source_.url}, {"why", skipped}});
  set_keys(std::move(keys));
}

// Once, not at every try.
void RemoteKeys::Fetcher::tell_failed(const Error& error) const {
  log::warn("jwt", "keys cannot be fetched",
            {{"url", source_.url},
             {"error", error.message},
             {"meanwhile", known_.keys ? "the keys of before count" : "tokens are refused"}});
}

void RemoteKeys::Fetcher::set_keys(std::shared_ptr<const jose::KeySet> keys) {
  known_.keys = std::move(keys);
  ++known_.version;
}

// While it fetches, whoever waits goes on waiting for that.
void RemoteKeys::Fetcher::tell(size_t worker) {
  workers_[worker].loop->post([to = to_workers_, known = known_, is_answer = !schedule_.is_fetching()] {
    if (const auto keys = to.lock()) keys->learn(known, is_answer);
  });
}

void RemoteKeys::Fetcher::tell_all() {
  for (size_t i = 0; i < workers_.size(); ++i) tell(i);
}

void RemoteKeys::Fetcher::settle_all() {
  for (auto& settled : std::exchange(preparing_, {})) settled();
}

void RemoteKeys::Fetcher::count() {
  const bool missing = !schedule_.has_keys() && schedule_.is_failing();
  const bool stale = schedule_.is_stale(loop().now());
  metrics_.missing->add(missing - std::exchange(counted_missing_, missing));
  metrics_.stale->add(stale - std::exchange(counted_stale_, stale));
}

// --- a worker's side --------------------------------------------------------------------------------------------

std::shared_ptr<RemoteKeys> RemoteKeys::create(JwksSource source, HttpClient client,
                                               std::span<const WorkerPlace> workers, unsigned threads,
                                               const JwksMetrics& metrics) {
  std::shared_ptr<Fetcher> fetcher;
  if (!workers.empty()) fetcher = std::make_shared<Fetcher>(std::move(source), std::move(client), workers, metrics);
  std::shared_ptr<RemoteKeys> keys(new RemoteKeys(fetcher, workers, threads, metrics));
  if (fetcher) fetcher->serve(keys);
  return keys;
}

RemoteKeys::RemoteKeys(std::shared_ptr<Fetcher> fetcher, std::span<const WorkerPlace> workers, unsigned threads,
                       const JwksMetrics& metrics)
    : fetcher_(std::move(fetcher)), workers_(workers.begin(), workers.end()), metrics_(metrics), here_(threads) {}

RemoteKeys::~RemoteKeys() {
  if (!fetcher_) return;
  Loop& loop = fetcher_->loop();
  loop.post([fetcher = std::move(fetcher_)] { fetcher->end(); });
}

bool RemoteKeys::may_help(const Request& request) const {
  if (!fetcher_) return false;
  const Here& here = here_.mine();
  if (here.waiting >= kWaitingMax) {
    metrics_.waiting_refused->add();
    return false;
  }
  if (here.asked) return true;
  const SteadyTime now = request.loop.now();
  if (!here.known.keys) return now >= here.known.missing_at;
  if (now >= here.known.unknown_key_at) return true;
  metrics_.limited->add();
  return false;
}

// Counts a request that waits.
class RemoteKeys::Waiting {
 public:
  Waiting(Here& here, Gauge& gauge) : here_(here), gauge_(gauge) {
    ++here_.waiting;
    gauge_.add(1);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    --here_.waiting;
    gauge_.sub(1);
  }

 private:
  Here& here_;
  Gauge& gauge_;
};

Task<void> RemoteKeys::newer(Request& request) {
  Here& here = here_.mine();
  const Waiting counted(here, *metrics_.waiting);
  if (!std::exchange(here.asked, true))
    fetcher_->loop().post(
        [fetcher = fetcher_, worker = worker_index, version = here.known.version,
         trace = trace_headers(request)]() mutable { fetcher->want_newer(worker, version, std::move(trace)); });
  // The owner answers in any case, with what a fetch brought that may just have begun. The time is for one that hangs.
  const SteadyTime latest = later(request.loop.now(), 2 * kFetchTimeout);
  const uint64_t answers = here.answers;
  while (here.answers == answers) {
    auto waiting = here.news.wait(request.loop, latest);
    const Status told = co_await waiting;
    if (told) continue;
    if (told.error().kind != ErrorKind::timeout) co_return told;
    here.asked = false;
    break;
  }
  co_return Status{};
}

void RemoteKeys::learn(const Known& known, bool is_answer) {
  Here& here = here_.mine();
  here.known = known;
  if (!is_answer) return;
  here.asked = false;
  ++here.answers;
  if (here.waiting > 0) here.news.notify(*workers_[worker_index].loop);
}

void RemoteKeys::prepare(std::move_only_function<void()> settled) {
  if (!fetcher_) return settled();
  fetcher_->loop().post(
      [fetcher = fetcher_, done = std::move(settled)]() mutable { fetcher->prepare(std::move(done)); });
}

// --- verifiers --------------------------------------------------------------------------------------------------

Verifiers::Verifiers(unsigned threads, jose::ProviderRules rules) : rules_(std::move(rules)), mine_(threads) {
  const auto provider = std::make_shared<const jose::Provider>(rules_);
  for (unsigned i = 0; i < threads; ++i) mine_.of(i).verifier = std::make_unique<jose::Verifier>(provider);
}

Verifiers::Verifiers(unsigned threads, jose::ProviderRules rules, std::shared_ptr<RemoteKeys> remote)
    : rules_(std::move(rules)), remote_(std::move(remote)), mine_(threads) {
  rules_.keys = std::make_shared<const jose::KeySet>();
  const auto provider = std::make_shared<const jose::Provider>(rules_);
  for (unsigned i = 0; i < threads; ++i) mine_.of(i).verifier = std::make_unique<jose::Verifier>(provider);
}

// The provider's identity has the keys in it: tokens that were verified with other keys are not found any more.
void Verifiers::renew(Mine& mine) const {
  jose::ProviderRules rules = rules_;
  if (remote_->keys()) rules.keys = remote_->keys();
  mine.verifier = std::make_unique<jose::Verifier>(std::make_shared<const jose::Provider>(std::move(rules)));
  mine.version = remote_->version();
}

}  // namespace sluice::jwt
