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

class RemoteKeys::Fetcher final : private Waiter {
 public:
  Fetcher(const RemoteKeys& keys, const JwksSource& source, HttpClient client, WorkerPlace place)
      : source_(source),
        client_(std::move(client)),
        place_(place),
        loops_(keys.loops_),
        metrics_(keys.metrics_),
        to_workers_(keys.weak_from_this()),
        schedule_(source_.cache_duration) {}

  // From a worker that knows this version of the keys and does not find what it looks for.
  void want_newer(unsigned worker, uint64_t version, HeaderTexts trace);
  void prepare(std::move_only_function<void()> settled);
  Task<void> stop();

 private:
  Loop& loop() const { return *place_.loop; }
  void wake() override { look(); }
  void cancel() override {}
  void look();
  void fetch(HeaderTexts trace);
  Task<void> ask(HeaderTexts trace);
  Task<HttpAnswer> call(HeaderTexts trace);
  void fetched(Result<std::shared_ptr<const jose::KeySet>> answer);
  void take(std::shared_ptr<const jose::KeySet> keys);
  void tell_failed(const Error& error) const;
  void set_keys(std::shared_ptr<const jose::KeySet> keys);
  void tell(unsigned worker);
  void tell_all();
  void settle_all();
  void count();

  const JwksSource source_;
  const HttpClient client_;
  const WorkerPlace place_;
  const WorkerLoops loops_;
  const JwksMetrics metrics_;
  const std::weak_ptr<const RemoteKeys> to_workers_;

  JwksSchedule schedule_;
  Known known_;
  std::vector<std::move_only_function<void()>> preparing_;
  Timer timer_;
  bool ending_ = false;
  bool counted_missing_ = false;
  bool counted_stale_ = false;
  TaskGroup fetching_;
};

void RemoteKeys::Fetcher::want_newer(unsigned worker, uint64_t version, HeaderTexts trace) {
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

Task<void> RemoteKeys::Fetcher::stop() {
  ending_ = true;
  timer_.disarm();
  if (std::exchange(counted_missing_, false)) metrics_.missing->sub();
  if (std::exchange(counted_stale_, false)) metrics_.stale->sub();
  settle_all();
  fetching_.cancel();
  auto ended = fetching_.join();
  co_return co_await ended;
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
  fetching_.spawn(ask(std::move(trace)));
}

Task<void> RemoteKeys::Fetcher::ask(HeaderTexts trace) {
  auto calling = call(std::move(trace));
  const auto answer = co_await calling;
  if (!ending_) fetched(read_keys(answer));
  co_return Status{};
}

// While too many of other sources are under way it looks again and again, at no fixed times: a pause as after a failure
// would leave the places to those who fail in step. Whatever comes of a call that was made has that pause: the source
// has had the work.
Task<HttpAnswer> RemoteKeys::Fetcher::call(HeaderTexts trace) {
  const SteadyTime latest = later(loop().now(), kFetchTimeout);
  while (loop().now() >= latest || !client_.admits()) {
    const Nanos pause = 20ms + Nanos(loop().random.below(Nanos(200ms).count()));
    if (later(loop().now(), pause) > latest)
      co_return fail(ErrorKind::overload, "too many fetches of other keys were under way");
    auto pausing = sleep_for(loop(), pause);
    CO_TRY(co_await pausing);
  }
  auto sending = client_.send(place_, {.authority = source_.authority,
                                       .path = source_.path,
                                       .headers = std::move(trace),
                                       .timeout = latest - loop().now(),
                                       .response_bytes_max = jose::KeySet::kTextBytesMax});
  co_return co_await sending;
}

void RemoteKeys::Fetcher::fetched(Result<std::shared_ptr<const jose::KeySet>> answer) {
  const SteadyTime now = loop().now();
  if (answer) {
    metrics_.fetched->add();
    schedule_.fetch_succeeded(now);
    take(*std::move(answer));
  } else {
    metrics_.failed->add();
    if (!schedule_.is_failing()) tell_failed(answer.error());
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
  if (const size_t skipped = keys->skipped().size(); skipped > 0)  // one line, whatever somebody else's set has
    log::warn("jwt", "keys cannot be used",
              {{"url", source_.url}, {"keys", skipped}, {"the_first", keys->skipped().front()}});
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
void RemoteKeys::Fetcher::tell(unsigned worker) {
  loops_.post(worker, [to = to_workers_, known = known_, is_answer = !schedule_.is_fetching()] {
    if (const auto keys = to.lock()) keys->learn(known, is_answer);
  });
}

void RemoteKeys::Fetcher::tell_all() {
  for (unsigned i = 0; i < loops_.workers(); ++i) tell(i);
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

std::shared_ptr<RemoteKeys> RemoteKeys::create(const JwksSource& source, const HttpClient& client,
                                               const WorkerLoops& loops, std::span<const WorkerPlace> workers,
                                               const JwksMetrics& metrics) {
  return std::shared_ptr<RemoteKeys>(new RemoteKeys(source, client, loops, workers, metrics));
}

RemoteKeys::RemoteKeys(const JwksSource& source, const HttpClient& client, const WorkerLoops& loops,
                       std::span<const WorkerPlace> workers, const JwksMetrics& metrics)
    : loops_(loops),
      owner_(workers.empty() ? 0 : static_cast<unsigned>(std::hash<std::string>{}(source.url) % workers.size())),
      can_fetch_(!workers.empty()),
      metrics_(metrics),
      heard_(loops, [](Loop&) { return std::make_unique<Heard>(); }),
      fetcher_(loops, [source, client, place = can_fetch_ ? workers[owner_] : WorkerPlace()](Loop&, RemoteKeys& keys) {
        return std::make_unique<Fetcher>(keys, source, client, place);
      }) {}

template <class Job>
void RemoteKeys::tell_owner(Job job) {
  loops_.post(owner_,
              [keys = shared_from_this(), work = std::move(job)]() mutable { work(keys->fetcher_.here(*keys)); });
}

bool RemoteKeys::may_help(const Request& request) const {
  if (!can_fetch_) return true;  // in a command: it says that it does not know (newer())
  const Heard& here = heard_.here();
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
  Waiting(Heard& here, Gauge& gauge) : here_(here), gauge_(gauge) {
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
  Heard& here_;
  Gauge& gauge_;
};

Task<void> RemoteKeys::newer(Request& request) {
  Heard& here = heard_.here();
  if (!can_fetch_) {  // for as long as whoever explains cares to wait
    auto waiting = here.news.wait(request.loop, SteadyTime::max());
    co_return co_await waiting;
  }
  const Waiting counted(here, *metrics_.waiting);
  if (!std::exchange(here.asked, true))
    tell_owner([worker = worker_index, version = here.known.version, trace = trace_headers(request)](
                   Fetcher& fetcher) mutable { fetcher.want_newer(worker, version, std::move(trace)); });
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

void RemoteKeys::learn(const Known& known, bool is_answer) const {
  Heard& here = heard_.here();
  here.known = known;
  if (!is_answer) return;
  here.asked = false;
  ++here.answers;
  if (here.waiting > 0) here.news.notify(loops_.loop(worker_index));
}

void RemoteKeys::prepare(std::move_only_function<void()> settled) {
  if (!can_fetch_) return settled();
  tell_owner([done = std::move(settled)](Fetcher& fetcher) mutable { fetcher.prepare(std::move(done)); });
}

// --- verifiers --------------------------------------------------------------------------------------------------

std::unique_ptr<Verifiers::Mine> Verifiers::make(const std::shared_ptr<const jose::Provider>& provider) {
  return std::make_unique<Mine>(Mine{.verifier = std::make_unique<jose::Verifier>(provider)});
}

Verifiers::Verifiers(const WorkerLoops& loops, jose::ProviderRules rules)
    : local_(loops,
             [provider = std::make_shared<const jose::Provider>(std::move(rules))](Loop&) { return make(provider); }) {}

// At first without keys.
Verifiers::Verifiers(const WorkerLoops& loops, jose::ProviderRules rules, std::shared_ptr<RemoteKeys> remote)
    : rules_(std::move(rules)), remote_(std::move(remote)), local_(loops, [this](Loop&) {
        jose::ProviderRules none = rules_;
        none.keys = std::make_shared<const jose::KeySet>();
        return make(std::make_shared<const jose::Provider>(std::move(none)));
      }) {}

// The provider's identity has the keys in it: tokens that were verified with other keys are not found any more.
void Verifiers::renew(Mine& mine) const {
  jose::ProviderRules rules = rules_;
  rules.keys = remote_->keys() ? remote_->keys() : std::make_shared<const jose::KeySet>();
  mine.verifier = std::make_unique<jose::Verifier>(std::make_shared<const jose::Provider>(std::move(rules)));
  mine.version = remote_->version();
}

}  // namespace sluice::jwt
