// The contract between a request's way and the filters on it.
//
// A filter is a service wrapped around the rest of the way:
//
//   Task<Response> handle(Request& request, Next next) const {
//     if (bad(request)) return local_reply(request, 403, "access denied", "my_filter_denied");   // answer now
//     return next(request);                                          // nothing to do on the response: no coroutine
//   }
//   Task<Response> handle(Request& request, Next next) const {
//     auto rest = next(request);
//     Response response = CO_TRY(co_await rest);
//     response.body = ...;                                           // a body is changed by wrapping its reader,
//                                                                    // which may outlive the filter: see http/body.h
//     co_return response;
//   }
//
// Filters are made when a snapshot is made, one set for all workers, and never change: they are called by several
// threads at once. State of a worker goes into Local<T> (io/local.h). An Error that leaves handle() becomes an answer
// in filters' one table (pipeline/rescue.h).
//
// A filter must be able to run late: when another filter has the route chosen again, the new route's filters run that
// have not run yet, those of stages already passed too (pipeline/rerouting.h). What a filter took out of the request it
// leaves where a later one like it finds it (Request::taken), and a body that it read it puts back.
#pragma once

#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "config/bind.h"
#include "config/diagnostics.h"
#include "config/option_field.h"
#include "io/local.h"
#include "io/task.h"
#include "pipeline/message.h"
#include "pipeline/service.h"
#include "pipeline/worker_place.h"

namespace sluice {

// Gloo's order (gloo-policies 1.2). The response passes the filters in reverse.
enum class Stage : uint8_t {
  latency_out,  // around all others
  compression,  // outermost of those that change the response
  dlp,          // what comes behind it on the response adds no content
  early_transformation,
  cors,
  waf,
  jwt_before,
  external_auth,
  jwt_after,
  rbac,
  health_check,
  grpc_web,
  regular_transformation,
  rate_limit,
  grpc_json,
  dynamic_forward_proxy,
  buffer,
  csrf,
  stateful_session,
  latency_in,  // behind all others
  router,
};
std::string_view stage_name(Stage stage);

class Filter;

struct StagedFilter {
  Stage stage;
  std::shared_ptr<const Filter> filter;
};

// A route's filters in order; behind the last stands the service that forwards (or answers).
class Chain {
 public:
  std::vector<StagedFilter> filters;
  std::shared_ptr<const Service> terminal;
};

// The rest of the way from one place in a chain on.
class Next {
 public:
  Next(const Chain& chain, size_t at) : chain_(&chain), at_(at) {}
  Task<Response> operator()(Request& request) const;

 private:
  const Chain* chain_;
  size_t at_;
};

class Filter {
 public:
  virtual ~Filter() = default;
  virtual Task<Response> handle(Request& request, Next next) const = 0;
};

// Sends a request down its route's chain.
Task<Response> run_chain(Request& request);

// State that outlives snapshots, keyed by what it was made from: caches of verified tokens, DNS state, ...
// get<T>(key, make): the T made for an equal key before, if some snapshot still uses it, else make()'s.
class KeptState {
 public:
  KeptState() = default;
  // For a trial: finds what `other` keeps too, and leaves it as it is.
  explicit KeptState(const KeptState& other) : behind_(&other) {}
  KeptState& operator=(const KeptState&) = delete;

  template <class T, class Make>
  std::shared_ptr<T> get(const std::string& key, Make&& make) {
    return *try_get<T>(key, [&make]() -> Result<std::shared_ptr<T>> { return make(); });
  }
  // For what cannot always be made: make() returns Result<std::shared_ptr<T>>, and an error keeps nothing.
  template <class T, class Make>
  Result<std::shared_ptr<T>> try_get(const std::string& key, Make&& make) {
    if (auto found = std::static_pointer_cast<T>(find(key))) return found;
    std::shared_ptr<T> made = TRY(make());
    items_[key] = made;
    return made;
  }
  // Drops the keys of what nobody uses any more.
  void forget_unused() {
    std::erase_if(items_, [](const auto& item) { return item.second.expired(); });
  }
  size_t size() const { return items_.size(); }

 private:
  std::shared_ptr<void> find(const std::string& key) const {
    const auto known = items_.find(key);
    if (known != items_.end())
      if (auto found = known->second.lock()) return found;
    return behind_ ? behind_->find(key) : nullptr;
  }

  const KeptState* behind_ = nullptr;
  std::map<std::string, std::weak_ptr<void>> items_;
};

namespace kinds {
struct ProxySettings;
}

// An Upstream that a filter calls (clients/).
struct UpstreamEnd {
  std::shared_ptr<const Service> end;    // of a chain
  std::string made_of;                   // differs when the Upstream is another, or is written otherwise
  bool tls = false;                      // it is spoken to by TLS
  bool any_certificate_will_do = false;  // which then keeps nobody out who is on the way
};

// What a Secret or a ConfigMap holds.
struct ObjectData {
  std::shared_ptr<const std::map<std::string, std::string>> data;
  std::string made_of;
};

// What a file on this machine holds.
struct FileData {
  std::shared_ptr<const std::string> bytes;
  std::string made_of;
};

// Objects elsewhere in the configuration, and files. Whoever translates gives them, and notes who was given what: when
// it changes, the filter is made anew. What is kept (KeptState, share()) must have `made_of` in its key. A namespace is
// taken literally. An error says what is not there, or is rejected, and what was probably meant.
class References {
 public:
  virtual Result<UpstreamEnd> upstream(const ObjectRef& ref) = 0;
  virtual Result<ObjectData> secret(const ObjectRef& ref) = 0;
  virtual Result<ObjectData> config_map(const ObjectRef& ref) = 0;
  // A regular file by its absolute path, at most that long.
  virtual Result<FileData> file(const std::string& path, size_t bytes_max) = 0;

 protected:
  ~References() = default;
};

// Something that is got ready before what needs it serves, such as keys from a URL.
class Preparation {
 public:
  virtual ~Preparation() = default;
  // Begins, unless it has. `settled` is called once, on any thread, when it is ready or has failed.
  virtual void prepare(std::move_only_function<void()> settled) = 0;
};
// Whether the listener waits for it before it serves what needs it.
using Preparations = std::map<std::shared_ptr<Preparation>, bool>;

// What a filter is made from. Options that a level does not set are absent.
struct FilterBuild {
  const OptionSet* listener = nullptr;
  const OptionSet* virtual_host = nullptr;
  const OptionSet* route = nullptr;
  const OptionSet* destination = nullptr;          // weighted destination
  const kinds::ProxySettings* settings = nullptr;  // never null in a real build
  size_t body_buffer_bytes_max = 1 << 20;
  BodyBudget* body_budget = nullptr;  // of the process, for bodies that filters fetch themselves; null: none
  WorkerLoops loops;                  // for state of a worker
  Metrics* metrics = nullptr;
  KeptState* kept = nullptr;
  References* references = nullptr;              // never null in a real build
  std::span<const WorkerPlace> workers;          // by worker_index; none where nothing is to be sent
  Preparations* preparations = nullptr;          // where they are asked for; null: nobody prepares
  std::vector<std::string>* warnings = nullptr;  // what the owner of the options should know; null: nobody reads it
  std::string cluster;  // Envoy's name of what the route or the weighted destination forwards to; "": it does not
  std::string listener_address;  // "127.0.0.1_8080", as metrics have it
  std::string name;              // "gloo-system.httpbin route 0": for keys, logs and metrics
  // For the status of who is built: an option of `level` (one of the above) has no effect, and why. Null: nobody hears.
  std::function<void(const OptionSet& level, std::string_view field, std::string_view why)> without_effect;

  // The filter that was made from the same before, else a new one: a request whose route changes does not pass equal
  // filters twice. `kind` names the filter's class and what it takes from elsewhere (settings, limits); `written` is
  // its configuration (Fields::written()). Without a text nothing is known to be equal, and nothing is shared.
  template <class F, class Make>
  std::shared_ptr<const Filter> share(std::string_view kind, std::string_view written, Make&& make) const {
    return *try_share<F>(kind, written, [&make]() -> Result<std::shared_ptr<F>> { return make(); });
  }
  // For a filter that cannot always be made: make() returns Result<std::shared_ptr<F>>, and runs only where there is
  // none yet.
  template <class F, class Make>
  Result<std::shared_ptr<const Filter>> try_share(std::string_view kind, std::string_view written, Make&& make) const {
    if (written.empty()) return make();
    return kept->try_get<F>(fmt::format("filter {}: {}", kind, written), std::forward<Make>(make));
  }

  // The most specific level that sets `field`: destination, route, virtual host, listener. nullptr when none does.
  template <class T>
  const T* most_specific(std::string_view field) const {
    for (const OptionSet* level : {destination, route, virtual_host, listener})
      if (level)
        if (const T* found = level->get<T>(field)) return found;
    return nullptr;
  }
};

// What a filter's folder gives to the program: its fields, and how to make it.
class FilterFactory {
 public:
  virtual ~FilterFactory() = default;
  virtual std::string_view name() const = 0;
  // The stages it may take part in, for `sluice filters`.
  virtual std::vector<Stage> stages() const = 0;
  virtual std::vector<OptionField> option_fields() const = 0;
  // Nothing when these options do not switch it on: what is not configured is not in the chain. An error rejects the
  // virtual host, with a message for its owner.
  virtual Result<std::vector<StagedFilter>> build(const FilterBuild& build) const = 0;
  virtual std::vector<MetricFamily> metrics() const { return {}; }
};

// The options of all of them, as kinds have them.
std::vector<OptionField> option_fields_of(std::span<const FilterFactory* const> filters);

}  // namespace sluice
