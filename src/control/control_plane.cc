#include "control/control_plane.h"

#include <sys/signalfd.h>
#include <unistd.h>
#include <atomic>
#include <csignal>

#include "base/log.h"
#include "control/certificates.h"
#include "control/notify_systemd.h"
#include "control/own_ports.h"
#include "http/body_budget.h"
#include "io/descriptors.h"
#include "io/system_error.h"
#include "observe/process.h"
#include "observe/prometheus.h"
#include "observe/resources.h"

namespace sluice {
namespace {

using enum MetricType;

constexpr MetricFamily kPorts{"envoy_listener_manager_total_listeners_active", "Addresses of Gateways that are open.",
                              gauge};
constexpr MetricFamily kPortsAdded{"envoy_listener_manager_listener_added", "Addresses that were opened."};
constexpr MetricFamily kPortsRemoved{"envoy_listener_manager_listener_removed", "Addresses that were closed."};
constexpr MetricFamily kRejected{
    "sluice_config_objects_rejected",
    "Objects with errors in their files or beside others; those that were good before serve "
    "as they were.",
    MetricType::gauge};
constexpr MetricFamily kUnread{"sluice_config_files_unread",
                               "Files and folders of the configuration that cannot be read or parsed; what they held "
                               "before serves as it was, what is new in them is not in force.",
                               MetricType::gauge};
constexpr MetricFamily kPortsFailed{"envoy_listener_manager_listener_create_failure",
                                    "Times that a Gateway's address could not be opened."};

constexpr int kExitConfig = 1;
constexpr int kExitSystem = 3;
constexpr Nanos kBindRetryFirst = 100ms;
constexpr Nanos kBindRetryMax = 5s;
constexpr Nanos kPrepareMax = 10s;
constexpr Nanos kTlsWatchEvery = 2s;  // costs a stat() for each file with a certificate
constexpr Nanos kEndingsToldEvery = 24h;

// More than there are descriptors for would only be taken from those who serve the others.
size_t bound_of_clients(size_t wished, const DescriptorShares& descriptors) {
  if (wished == 0) return descriptors.downstream;
  if (wished > descriptors.downstream)
    log::warn("listener", "--max-connections is more than the file descriptors allow",
              {{"wished", wished},
               {"in_force", descriptors.downstream},
               {"descriptors", descriptors.total},
               {"remedy", "raise LimitNOFILE"}});
  return std::min(wished, descriptors.downstream);
}

// 0: none is known.
size_t bound_of_memory(size_t wished) {
  const auto allowed = cgroup_memory_max();
  if (!allowed) return wished;
  if (wished > *allowed)
    log::warn("main", "--max-memory is more than the cgroup allows", {{"wished", wished}, {"in_force", *allowed}});
  return wished == 0 ? *allowed : std::min(wished, *allowed);
}

// Bodies that take more than half of the memory would end in 503 for all.
size_t bound_of_bodies(size_t wished, size_t memory_max) {
  if (memory_max == 0 || wished <= memory_max / 2) return wished;
  log::warn("main", "--max-body-memory is more than half of the memory that there is",
            {{"wished", wished}, {"in_force", memory_max / 2}, {"memory", memory_max}});
  return memory_max / 2;
}

// A descriptor of the control thread that calls somebody when it is readable.
class FdWatch final : private Waiter {
 public:
  explicit FdWatch(std::function<void()> readable) : readable_(std::move(readable)) {}
  ~FdWatch() { watch_.release(); }

  Status start(Loop& loop, int fd) {
    TRY(watch_.attach(loop, fd));
    watch_.readable = false;
    watch_.reader = this;
    return {};
  }

 private:
  void wake() override {
    watch_.readable = false;
    watch_.reader = this;
    readable_();
  }
  void cancel() override {}
  Watch watch_;
  std::function<void()> readable_;
};

// A time at which the control thread does something.
class Alarm final : private Waiter {
 public:
  Alarm(Loop& loop, std::function<void()> ring) : loop_(loop), ring_(std::move(ring)) {}

  void set(SteadyTime at) { timer_.arm(loop_, at, *this); }
  void set_in(Nanos time) { set(loop_.now() + time); }
  void stop() { timer_.disarm(); }
  bool is_set() const { return timer_.armed(); }

 private:
  void wake() override { ring_(); }
  void cancel() override {}
  Loop& loop_;
  std::function<void()> ring_;
  Timer timer_;
};

class ControlPlane final {
 public:
  explicit ControlPlane(const RunOptions& options);

  int run();

 private:
  bool load_first();
  bool open_own_ports();
  std::vector<CertificateRow> certificates() const;
  void make_translator();
  bool choose_loop();
  bool is_free_of_errors();
  void watch_folder();
  bool watch_signals(const sigset_t& signals);
  int serve();
  void look_after_certificates();
  void arm_reload();
  void reload();
  void store_changed();
  bool says_the_same(std::span<const ConfigObjectPtr> objects) const;
  void log_diagnostics();
  void apply();
  void publish();
  void note_clusters(const StaticClusters& before, const StaticClusters& now);
  void tell_failures(const std::map<std::string, Error>& failed);
  void retry_binds();
  void tell_ports();
  void look_after_logs();
  size_t log_problems() const;
  void reopen_logs();
  enum class ProbesFor : uint8_t { operators, machines };
  Probes probes(ProbesFor whom);
  std::string closed_lines(ProbesFor whom) const;
  size_t errors() const;
  void write_statuses();
  void write_statuses(const std::set<ObjectKey>& of);
  using Told = std::map<ObjectKey, std::vector<std::string>>;
  Told errors_besides() const;
  Told warnings_of_files() const;
  void count_rejected();
  void write_status(const ObjectKey& key, const ObjectReport& report);
  void check_object(const ConfigObject& object, Diagnostics& diagnostics);
  std::vector<ConfigObjectPtr> objects() const;
  void tell_of_no_gateway(std::span<const ConfigObjectPtr> all) const;
  void translate(std::span<const ConfigObjectPtr> all);
  void translate_and_publish(std::span<const ConfigObjectPtr> all);
  void prepare();
  void settle_own_ports();
  std::vector<uint16_t> open_ports() const;
  void tell_closed();
  bool is_applied() const;
  void on_signal();
  void drain();
  void measure(SteadyTime now);

  const RunOptions& options_;
  std::vector<OptionField> option_fields_;
  const DescriptorShares descriptors_;
  Metrics metrics_;
  LogMetrics log_metrics_{metrics_};
  LogFiles log_files_;
  ConnectionLimit connections_;
  const size_t memory_max_;
  MemoryWatch memory_watch_{static_cast<size_t>(static_cast<double>(memory_max_) * Overload::kMemoryWatched)};
  BodyBudget body_budget_;
  Overload overload_{metrics_};
  Loop loop_;
  Workers workers_;
  ResolverPool resolvers_;
  ObjectStore store_;
  std::unique_ptr<ConfigFolder> folder_;
  std::unique_ptr<FdWatch> folder_watch_;
  bool watch_failed_ = false;  // told once
  std::unique_ptr<FdWatch> signal_watch_;
  int signal_fd_ = -1;
  // The folder's quiet time is over, or something is to be tried again.
  Alarm reload_alarm_{loop_, [this] { reload(); }};
  Nanos retry_delay_ = ConfigFolder::kRetryFirst;
  std::unique_ptr<Translator> translator_;
  ObjectStore::Subscription subscription_;
  std::shared_ptr<const Snapshot> snapshot_;
  Translation translation_;         // that the snapshot came from
  std::set<ObjectKey> status_due_;  // of which it says something else than the statuses
  Told besides_;                    // errors of statuses that do not come from it
  Told read_warnings_;              // nor do these
  Alarm bind_alarm_{loop_, [this] { retry_binds(); }};
  Nanos bind_retry_delay_ = kBindRetryFirst;
  // While an access log cannot be written: statuses say so, and no longer than it is true.
  Alarm log_alarm_{loop_, [this] { look_after_logs(); }};
  // Files with certificates, session tickets, and certificates that end: what changes by itself.
  Alarm certificate_alarm_{loop_, [this] { look_after_certificates(); }};
  SteadyTime warn_of_endings_at_{};
  size_t log_problems_ = 0;               // when the snapshot was made
  std::vector<ConfigObjectPtr> applied_;  // what the snapshot was made from
  const SteadyTime started_ = steady_now();
  std::vector<PolicyGap> applied_gaps_;
  std::vector<std::string> closed_told_;
  bool draining_ = false;
  std::map<std::string, std::string> bind_errors_;
  HostWatch host_watch_{loop_, [this](const std::set<ObjectKey>& upstreams) { write_statuses(upstreams); }};
  std::map<std::string, std::string> ports_told_;  // address -> Gateway, as the log said last

  std::unique_ptr<ApiServer> api_server_;
  OwnPorts own_ports_{loop_, metrics_};
};

ControlPlane::ControlPlane(const RunOptions& options)
    : options_(options),
      option_fields_(option_fields_of(options.filters)),
      descriptors_(share_descriptors(raise_descriptor_limit(), options.workers)),
      metrics_(options.workers + 2),  // the workers, this thread, and the one that writes access logs
      log_files_(options.workers + 1, metrics_),
      connections_(bound_of_clients(options.connections_max, descriptors_), "gateways", metrics_),
      memory_max_(bound_of_memory(options.memory_bytes_max)),
      body_budget_(bound_of_bodies(options.body_bytes_max, memory_max_), metrics_),
      workers_(options.workers, log_files_, metrics_, descriptors_,
               {&connections_, &overload_, [this](SteadyTime now) { measure(now); }}, &loop_),
      resolvers_(workers_.loops(), descriptors_.dns_of_worker(options.workers), &metrics_),
      store_(wall_now()) {
  worker_index = options.workers;
  publish_descriptor_shares(descriptors_, metrics_);
}

// By a worker.
void ControlPlane::measure(SteadyTime now) {
  Overload::Reading reading{.connections = connections_.open(),
                            .connections_max = connections_.most(),
                            .descriptors = descriptors_in_use(),
                            .descriptors_max = descriptors_.total,
                            .memory = std::nullopt,
                            .memory_max = memory_max_};
  if (memory_max_ > 0) reading.memory = memory_watch_.in_use();
  overload_.update(reading, now);
  body_budget_.close(overload_.refuses_requests());
}

// --- configuration ----------------------------------------------------------------------------------------------

void ControlPlane::log_diagnostics() {
  for (const Diagnostic& diagnostic : folder_->diagnostics().all()) {
    switch (diagnostic.severity) {
      case Severity::error: log::error("config", diagnostic.to_string()); break;
      case Severity::warning: log::warn("config", diagnostic.to_string()); break;
      case Severity::note: log::debug("config", diagnostic.to_string()); break;
    }
  }
}

bool ControlPlane::load_first() {
  auto folder = ConfigFolder::open(store_, options_.config_paths, option_fields_);
  if (!folder) {
    log::error("config", folder.error().message);
    return false;
  }
  folder_ = std::move(*folder);
  folder_->reload(wall_now());
  log_diagnostics();
  return true;
}

// What is in force, and what stands in the files and is in force in no version.
std::vector<ConfigObjectPtr> ControlPlane::objects() const {
  std::vector<ConfigObjectPtr> out;
  for (const StoredObject* object : store_.list()) out.push_back(object->config);
  for (ConfigObjectPtr& object : folder_->withheld()) out.push_back(std::move(object));
  return out;
}

void ControlPlane::apply() {
  applied_ = objects();
  applied_gaps_ = folder_->gaps();
  if (store_.list("Gateway").empty()) tell_of_no_gateway(applied_);
  translate_and_publish(applied_);
  if (!snapshot_) return;  // asked to end before anything was served
  settle_own_ports();
  tell_closed();
  log_problems_ = log_problems();
  if (log_problems_ > 0) log_alarm_.set_in(LogFile::kRetryEvery);
  log::info("config", "serving",
            {{"snapshot", snapshot_->id}, {"objects", applied_.size()}, {"listeners", workers_.open_ports().size()}});
}

// None is in force.
void ControlPlane::tell_of_no_gateway(std::span<const ConfigObjectPtr> all) const {
  bool any = false;
  for (const ConfigObjectPtr& object : all) {
    if (object->key.kind != "Gateway") continue;
    any = true;
    log::error("config",
               "this Gateway is rejected and no other is there: no port is opened, the default 127.0.0.1:8080 neither",
               {{"object", object->key.to_string()}});
  }
  if (!any && !all.empty())
    log::info("config",
              "there is no Gateway, so one called gateway-proxy serves on 127.0.0.1:8080; write one to choose");
}

void ControlPlane::translate(std::span<const ConfigObjectPtr> all) {
  translation_ = translator_->translate(all, folder_->gaps());
  status_due_.insert(translation_.changed.begin(), translation_.changed.end());
}

void ControlPlane::translate_and_publish(std::span<const ConfigObjectPtr> all) {
  translator_->set_open_ports(open_ports());
  translate(all);
  prepare();
  if (!draining_ || snapshot_) publish();
}

// What filters want to have before they serve. Only at the start are ports opened later for it: a change is not to wait
// for somebody else's server, and a request that needs what is not there yet waits by itself (decision 0045).
void ControlPlane::prepare() {
  const auto left = std::make_shared<size_t>(0);
  for (const auto& [what, listener_waits] : translation_.snapshot->preparations) {
    if (!listener_waits || snapshot_) {
      what->prepare([] {});
      continue;
    }
    ++*left;
    what->prepare([this, left] { loop_.post([left] { --*left; }); });
  }
  const SteadyTime latest = later(steady_now(), kPrepareMax);
  while (*left > 0 && !draining_ && steady_now() < latest) loop_.turn(100ms);
}

// No dynamic destination may be a port of our own. Which are open is known only after publishing: the system chooses
// some, and a Gateway whose new port is taken keeps its old one.
void ControlPlane::settle_own_ports() {
  std::set<uint16_t> own(snapshot_->wished_ports.begin(), snapshot_->wished_ports.end());
  for (const uint16_t port : open_ports()) own.insert(port);
  if (!std::ranges::equal(own, snapshot_->own_ports)) translate_and_publish(objects());
}

std::vector<uint16_t> ControlPlane::open_ports() const {
  std::vector<uint16_t> open = own_ports_.numbers();
  for (const OpenPort& port : workers_.open_ports()) open.push_back(port.address.port());
  return open;
}

// What is refused that was not before.
void ControlPlane::tell_closed() {
  for (const std::string& line : snapshot_->closed)
    if (std::ranges::find(closed_told_, line) == closed_told_.end()) log::error("config", line);
  closed_told_ = snapshot_->closed;
}

// A port that somebody else has may become free; one of our own that overlaps will.
void ControlPlane::retry_binds() {
  if (draining_ || bind_errors_.empty()) return;
  publish();
  settle_own_ports();
}

void ControlPlane::publish() {
  const auto failed = workers_.publish(translation_.snapshot);
  if (snapshot_) note_clusters(*snapshot_->static_clusters, *translation_.snapshot->static_clusters);
  snapshot_ = translation_.snapshot;
  host_watch_.follow(snapshot_->static_clusters);
  bind_retry_delay_ = failed.empty() ? kBindRetryFirst : std::min(2 * bind_retry_delay_, kBindRetryMax);
  bind_alarm_.stop();
  tell_ports();
  tell_failures(failed);
}

// Upstreams whose hosts are watched from now on, or not any more, or other ones: their statuses tell of that.
void ControlPlane::note_clusters(const StaticClusters& before, const StaticClusters& now) {
  if (&before == &now) return;
  const auto note = [this](const StaticClusters& one, const StaticClusters& other) {
    for (const auto& [key, cluster] : one)
      if (const auto same = other.find(key); same == other.end() || same->second != cluster) status_due_.insert(key);
  };
  note(before, now);
  note(now, before);
}

void ControlPlane::tell_failures(const std::map<std::string, Error>& failed) {
  for (const auto& [gateway, error] : failed) {
    if (bind_errors_[gateway] != error.message) {
      metrics_.metric(kPortsFailed)->add();
      log::error("listener", error.message, {{"gateway", gateway}});
    }
    bind_errors_[gateway] = error.message;
  }
  std::erase_if(bind_errors_, [&](const auto& entry) {
    if (failed.contains(entry.first)) return false;
    log::info("listener", "the port could be opened now, or is not wanted any more", {{"gateway", entry.first}});
    return true;
  });
  write_statuses();
  if (!failed.empty() && !bind_alarm_.is_set()) bind_alarm_.set_in(bind_retry_delay_);
}

// Which addresses are open is the first thing to know of a gateway that does not answer.
void ControlPlane::tell_ports() {
  std::map<std::string, std::string> now;
  for (const OpenPort& port : workers_.open_ports()) now.emplace(port.address.to_string(), port.gateway);
  metrics_.metric(kPorts)->set(static_cast<int64_t>(now.size()));
  for (const auto& [address, gateway] : now) {
    if (ports_told_.contains(address)) continue;
    metrics_.metric(kPortsAdded)->add();
    log::info("listener", "listening", {{"address", address}, {"gateway", gateway}});
  }
  for (const auto& [address, gateway] : ports_told_) {
    if (now.contains(address)) continue;
    metrics_.metric(kPortsRemoved)->add();
    log::info("listener", "no longer listening", {{"address", address}, {"gateway", gateway}});
  }
  ports_told_ = std::move(now);
}

size_t ControlPlane::log_problems() const {
  size_t count = 0;
  for (const auto& listener : snapshot_->listeners)
    if (listener->access_log) count += listener->access_log->problems().size();
  return count;
}

// By another thread: whether it could be done is seen by the retries.
void ControlPlane::reopen_logs() {
  log_files_.reopen();
  log_alarm_.set_in(LogFile::kRetryEvery);
}

void ControlPlane::look_after_logs() {
  log_files_.retry();
  if (!draining_ && log_problems() != log_problems_) return apply();
  if (log_problems_ > 0) log_alarm_.set_in(LogFile::kRetryEvery);
}

void ControlPlane::look_after_certificates() {
  if (draining_) return;
  certificate_alarm_.set_in(kTlsWatchEvery);
  own_ports_.look_after_access();
  if (!snapshot_) return;  // prepare() is not over
  translator_->rotate_ticket_keys(loop_.now());
  const bool is_new_day = loop_.now() >= warn_of_endings_at_;
  // Statuses tell of certificates that have ended since.
  if (translator_->look_at_files() || (is_new_day && warn_of_endings_at_ != SteadyTime())) apply();
  if (!is_new_day) return;
  warn_of_endings(certificates());
  warn_of_endings_at_ = loop_.now() + kEndingsToldEvery;
}

std::vector<CertificateRow> ControlPlane::certificates() const {
  std::vector<CertificateRow> rows =
      snapshot_ ? certificate_rows(*snapshot_, loop_.wall()) : std::vector<CertificateRow>();
  if (auto own = own_ports_.certificate()) add_row(rows, *std::move(own));
  return rows;
}

size_t ControlPlane::errors() const {
  size_t errors = folder_->diagnostics().errors();
  for (const auto& [key, report] : *translation_.reports) errors += report.all_errors().size();
  return errors;
}

Node status_node(ObjectState state, const std::string& reason) {
  static constexpr std::string_view kWords[] = {"Accepted", "Warning", "Rejected"};
  Node own;
  own.set("reportedBy", Node("gloo"));
  own.set("state", Node(std::string(kWords[static_cast<size_t>(state)])));
  if (!reason.empty()) own.set("reason", Node(reason));
  Node status;
  status.child("statuses").set("gloo-system", std::move(own));
  return status;
}

// Of objects of which something else is said than before: by the translation, or besides it.
void ControlPlane::write_statuses() {
  Told besides = errors_besides();
  Told read = warnings_of_files();
  std::set<ObjectKey> of = std::exchange(status_due_, {});
  for (const auto* told : {&besides, &besides_, &read, &read_warnings_})
    for (const auto& [key, texts] : *told) of.insert(key);
  besides_ = std::move(besides);
  read_warnings_ = std::move(read);
  write_statuses(of);
  count_rejected();
}

// Fields without effect and the like, which reading finds.
ControlPlane::Told ControlPlane::warnings_of_files() const {
  Told out;
  for (const Diagnostic& found : folder_->diagnostics().all())
    if (found.severity == Severity::warning && !found.object.kind.empty())
      out[found.object].push_back(found.path.empty() ? found.sentence()
                                                     : fmt::format("{}: {}", found.path, found.sentence()));
  return out;
}

// What a status says and the translator does not know.
ControlPlane::Told ControlPlane::errors_besides() const {
  Told out;
  for (const auto& [gateway, error] : bind_errors_) {
    const size_t slash = gateway.find('/');
    out[{"Gateway", gateway.substr(0, slash), gateway.substr(slash + 1)}].push_back(
        "Listener Error: ProcessingError. Reason: " + error);
  }
  for (const auto& [key, why] : folder_->rejected())
    for (const std::string_view line : split(why + "; the version before that stays in force", '\n'))
      out[key].emplace_back(line);
  for (const PolicyGap& gap : folder_->gaps())
    if (gap.second_copy && gap.key.kind == "EgressPolicy")
      out[gap.key].push_back(gap.why + "; dynamic destinations are refused until one of the two is removed");
  return out;
}

void ControlPlane::count_rejected() {
  std::set<ObjectKey> rejected;
  for (const auto& [key, report] : *translation_.reports)
    if (report.state() == ObjectState::rejected) rejected.insert(key);
  for (const auto& [key, why] : folder_->rejected()) rejected.insert(key);
  for (const ConfigObjectPtr& object : folder_->withheld()) rejected.insert(object->key);
  for (const auto& [gateway, error] : bind_errors_) {
    const size_t slash = gateway.find('/');
    rejected.insert({"Gateway", gateway.substr(0, slash), gateway.substr(slash + 1)});
  }
  metrics_.metric(kUnread)->set(static_cast<int64_t>(folder_->unread().size()));
  metrics_.metric(kRejected)->set(static_cast<int64_t>(rejected.size()));
}

void ControlPlane::write_statuses(const std::set<ObjectKey>& of) {
  const ObjectStore::Batch batch(store_);
  for (const ObjectKey& key : of)
    if (const auto found = translation_.reports->find(key); found != translation_.reports->end())
      write_status(key, found->second);
}

// Where it says something else than it did.
void ControlPlane::write_status(const ObjectKey& key, const ObjectReport& report) {
  if (key.kind == "Secret" || key.kind == "ConfigMap") return;
  ObjectReport full = report;
  if (const auto found = besides_.find(key); found != besides_.end())
    for (const std::string& error : found->second) full.error(error);
  if (const auto found = read_warnings_.find(key); found != read_warnings_.end())
    for (const std::string& warning : found->second) full.warning(warning);
  if (key.kind == "Upstream")
    for (std::string& warning : host_watch_.warnings(key)) full.warning(std::move(warning));
  const StoredObject* object = store_.find(key);
  const Node status = status_node(full.state(), full.reason());
  if (!object || object->status == FrozenNode(status)) return;
  const bool was_good = object->status.thaw().text_at({"statuses", "gloo-system", "reason"}).empty();
  store_.set_status(key, status);
  if (full.state() == ObjectState::accepted && !was_good)
    log::info("config", "accepted again", {{"object", key.to_string()}});
  if (full.state() == ObjectState::rejected)
    log::error("config", "rejected", {{"object", key.to_string()}, {"reason", full.reason()}});
  if (full.state() == ObjectState::warning)
    log::warn("config", "accepted with warnings", {{"object", key.to_string()}, {"reason", full.reason()}});
}

// What the API refuses at once, besides what reading finds: an object that could never be served as it is. Clashes with
// other objects are told in statuses, as Gloo does.
void ControlPlane::check_object(const ConfigObject& object, Diagnostics& diagnostics) {
  const ObjectReport report = translator_->try_out(std::make_shared<const ConfigObject>(object));
  for (const std::string& error : report.errors) {
    auto [path, message] = path_and_message(error);
    if (path.empty()) path = "spec";
    diagnostics.add({.object = object.key, .path = std::move(path), .message = std::move(message)});
  }
  for (const auto* told : {&report.clashes, &report.warnings})
    for (const std::string& text : *told) {
      auto [path, message] = path_and_message(text);
      diagnostics.add({.severity = Severity::warning,
                       .object = object.key,
                       .path = std::move(path),
                       .message = std::move(message)});
    }
}

void ControlPlane::store_changed() {
  // Statuses are changes too, but not of what is served.
  if (draining_ || is_applied()) return;
  apply();
}

// As those that the snapshot was made from.
bool ControlPlane::says_the_same(std::span<const ConfigObjectPtr> objects) const {
  return std::ranges::equal(objects, applied_, [](const ConfigObjectPtr& now, const ConfigObjectPtr& then) {
    return now == then || (now->hash == then->hash && now->rejected == then->rejected && now->key == then->key);
  });
}

bool ControlPlane::is_applied() const {
  return says_the_same(objects()) && folder_->gaps() == applied_gaps_;
}

void ControlPlane::arm_reload() {
  std::optional<SteadyTime> at = folder_->reload_at();
  const bool blind = folder_->fd() >= 0 && !folder_watch_;
  if (!at && (folder_->incomplete() || blind)) {
    at = loop_.now() + retry_delay_;  // most of what is mended makes an event; reading all again costs
    retry_delay_ = std::min(2 * retry_delay_, ConfigFolder::kRetryMax);
  } else {
    retry_delay_ = ConfigFolder::kRetryFirst;
  }
  if (at) reload_alarm_.set(*at);
}

// Again after each reload: the system may have had nothing to watch with before.
void ControlPlane::watch_folder() {
  if (folder_watch_ || folder_->fd() < 0) return;
  auto watch = std::make_unique<FdWatch>([this] {
    folder_->on_readable(loop_.now());
    if (folder_->reload_at()) arm_reload();
  });
  if (auto started = watch->start(loop_, folder_->fd()); started)
    folder_watch_ = std::move(watch);
  else if (!std::exchange(watch_failed_, true))
    log::warn("config", "changes are not noticed at once", {{"error", started.error().message}});
}

void ControlPlane::reload() {
  if (draining_) return;
  if (!snapshot_) return reload_alarm_.set_in(kBindRetryFirst);  // prepare() is not over
  const uint64_t id = snapshot_ ? snapshot_->id : 0;
  const bool changed = folder_->reload(loop_.wall());
  watch_folder();
  arm_reload();
  if (!changed) return;
  log_diagnostics();
  // Of objects in force the store has told. A version that was rejected changes a status, and what is refused.
  if (!is_applied()) return apply();
  if (!snapshot_ || snapshot_->id != id) return;
  publish();
  settle_own_ports();
}

// --- own ports --------------------------------------------------------------------------------------------------

// A line each for the admin port; the other port may be open to strangers.
std::string ControlPlane::closed_lines(ProbesFor whom) const {
  if (!snapshot_) return {};
  std::vector<std::string> lines = snapshot_->closed;
  const size_t refused = lines.size();
  for (const std::string& why : folder_->unread()) lines.push_back("not read: " + why);
  for (const auto& [gateway, error] : bind_errors_)
    lines.push_back(fmt::format("Gateway {} is not open as it says: {}", gateway, error));
  if (lines.empty()) return {};
  if (whom == ProbesFor::operators) return join(lines, "\n") + "\n";
  return fmt::format(
      "refused, as what would decide is not in force: {}; not read or not open: {}; /readyz on the admin port tells\n",
      refused, lines.size() - refused);
}

Probes ControlPlane::probes(ProbesFor whom) {
  return {.metrics =
              [this] {
                const ServerState state = draining_   ? ServerState::draining
                                          : snapshot_ ? ServerState::live
                                                      : ServerState::initializing;
                count_what_is_there(metrics_);
                log_metrics_.update();
                return prometheus_text(metrics_.collect()) + process_text({.version = options_.version,
                                                                           .state = state,
                                                                           .workers = options_.workers,
                                                                           .uptime = loop_.now() - started_});
              },
          .ready = [this] { return snapshot_ && !draining_; },
          .notes = [this, whom] { return overload_.told() + closed_lines(whom); }};
}

bool ControlPlane::open_own_ports() {
  if (!own_ports_.prepare_access(options_.access, options_.admin, options_.api)) return false;
  AdminService::Parts parts{metrics_,
                            workers_,
                            resolvers_,
                            host_watch_,
                            store_,
                            [this] { return snapshot_; },
                            [this] { return certificates(); },
                            probes(ProbesFor::operators),
                            [this] { drain(); },
                            OwnPorts::callers(options_.admin)};
  api_server_ = std::make_unique<ApiServer>(
      store_, *folder_,
      ApiOptions{
          .callers = OwnPorts::callers(options_.api),
          .option_fields = option_fields_,
          .check = [this](const ConfigObject& object, Diagnostics& diagnostics) { check_object(object, diagnostics); },
          .ready = [this] { return snapshot_ != nullptr; },
          .program_version = options_.version,
          .bytes_counts = ApiService::counts_in(metrics_)});
  const bool admin = own_ports_.open_admin(options_.admin, std::make_shared<AdminService>(std::move(parts)));
  const bool api = own_ports_.open_api(options_.api, std::make_shared<ApiService>(*api_server_));
  const bool probes =
      own_ports_.open_probes(options_.metrics, std::make_shared<ProbeService>(this->probes(ProbesFor::machines)));
  return admin && api && probes;
}

// --- signals and the end ----------------------------------------------------------------------------------------

void ControlPlane::on_signal() {
  signalfd_siginfo info{};
  while (::read(signal_fd_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP)
      reload();
    else if (info.ssi_signo == SIGUSR1)
      reopen_logs();
    else
      drain();
  }
}

void ControlPlane::drain() {
  if (draining_) return loop_.stop();  // asked twice: now
  draining_ = true;
  if (!snapshot_) return loop_.stop();
  Nanos timeout = snapshot_->listeners.empty() ? SnapshotListener().drain_timeout : Nanos(0);
  for (const auto& listener : snapshot_->listeners) timeout = std::max(timeout, listener->drain_timeout);
  log::info("main", "draining", {{"at_most", format_duration(timeout)}});
  notify_systemd("STOPPING=1");
  workers_.drain(timeout, [this] { loop_.stop(); });
}

bool ControlPlane::watch_signals(const sigset_t& signals) {
  signal_fd_ = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  signal_watch_ = std::make_unique<FdWatch>([this] { on_signal(); });
  const Status started = signal_fd_ < 0 ? Status(std::unexpected(errno_error(errno, "signalfd")))
                                        : signal_watch_->start(loop_, signal_fd_);
  if (!started) log::error("main", "cannot hear signals", {{"error", started.error().message}});
  return started.has_value();
}

void ControlPlane::make_translator() {
  TranslateOptions translate;
  translate.workers = options_.workers;
  translate.loops = workers_.loops();
  translate.metrics = &metrics_;
  translate.resolvers = &resolvers_;
  translate.log_files = &log_files_;
  translate.default_access_log = options_.access_log;
  translate.default_resolvers = options_.resolvers;
  translate.filters = options_.filters;
  translate.body_budget = &body_budget_;
  translate.overload = &overload_;
  translate.places = workers_.places();
  translator_ = std::make_unique<Translator>(std::move(translate));
}

// Nothing is opened for it.
bool ControlPlane::is_free_of_errors() {
  translate(objects());
  for (const auto& [key, report] : *translation_.reports)
    for (const std::string& error : report.all_errors())
      log::error("config", "rejected", {{"object", key.to_string()}, {"reason", error}});
  if (errors() == 0) return true;
  log::error("config", "--strict: not starting with errors", {{"errors", errors()}});
  return false;
}

// Once for all workers.
bool ControlPlane::choose_loop() {
  if (options_.loop == LoopBackend::epoll) return true;
  const auto tried = Ring::create();
  if (!tried && options_.loop == LoopBackend::io_uring) {
    log::error("main", "--loop io_uring: the kernel does not give it", {{"error", tried.error().message}});
    return false;
  }
  if (tried) workers_.use_rings(metrics_);
  log::info("main", "event loops", {{"backend", tried ? "io_uring" : "epoll"}});
  return true;
}

int ControlPlane::run() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before the workers start: they inherit it
  std::signal(SIGPIPE, SIG_IGN);
  log::start_writer();
  log_files_.start_writer();
  if (!load_first()) return kExitConfig;
  make_translator();
  if (options_.strict && !is_free_of_errors()) return kExitConfig;
  if (!open_own_ports()) return kExitSystem;
  if (!watch_signals(signals)) return kExitSystem;
  watch_folder();
  arm_reload();
  if (!choose_loop()) return kExitSystem;
  workers_.tell_of_failures(loop_, [this] { tell_failures(workers_.failures()); });
  workers_.start();
  apply();
  look_after_certificates();
  subscription_ = store_.subscribe([this] { store_changed(); });
  if (snapshot_) store_changed();  // while it was prepared
  const int code = snapshot_ ? serve() : 0;
  subscription_.cancel();
  workers_.stop();
  log_files_.stop_writer();
  log::tell_of_all_sites();
  log::info("main", "stopped");
  return code;
}

int ControlPlane::serve() {
  if (workers_.open_ports().empty() && !bind_errors_.empty()) {
    log::error("listener", "no port of a Gateway can be opened, so nothing can be served: it ends",
               {{"gateways", bind_errors_.size()}});
    return kExitSystem;
  }
  if (workers_.open_ports().empty() && errors() > 0) {
    log::error("config", "nothing can be served", {{"errors", errors()}});
    return kExitConfig;
  }
  notify_systemd("READY=1");
  loop_.run();
  return 0;
}

}  // namespace

std::vector<MetricFamily> control_plane_metric_families() {
  return {kPorts, kPortsAdded, kPortsRemoved, kPortsFailed, kRejected, kUnread};
}

int run_gateway(const RunOptions& options) {
  auto plane = std::make_unique<ControlPlane>(options);
  const int code = plane->run();
  log::flush();
  // The process ends here; taking every object apart for threads that are gone would only be work. Kept where leak
  // checkers look.
  static std::atomic<ControlPlane*> kept;
  kept.store(plane.release());
  return code;
}

}  // namespace sluice
