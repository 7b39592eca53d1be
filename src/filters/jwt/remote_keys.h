// The keys of one URL: fetched by one worker for the whole process, known to all.
//
//   a request on worker 2 -> RemoteKeys::newer()   waits; a message goes to the owner, one worker by the URL's hash
//                         -> Fetcher               fetches unless it does already, by its JwksSchedule; what it learnt
//                                                  goes to every worker as a message, and wakes those that wait
//
// Nobody waits while keys are there, but for one whose token names a key that is not among them. Decision 0045.
#pragma once

#include <memory>
#include <string>

#include "clients/http_client.h"
#include "engines/jose/verifier.h"
#include "filters/jwt/jwks_schedule.h"
#include "io/loop.h"
#include "pipeline/filter.h"

namespace sluice::jwt {

struct JwksMetrics {
  explicit JwksMetrics(Metrics& metrics);
  static std::vector<MetricFamily> families();

  Counter* fetched;
  Counter* failed;
  Counter* limited;          // tokens with unknown keys for which nothing was fetched
  Counter* waiting_refused;  // requests over kWaitingMax
  Gauge* waiting;
  Gauge* missing;  // URLs
  Gauge* stale;    // URLs
};

struct JwksSource {
  std::string url;  // as it was written: for people
  std::string authority;
  std::string path;
  Nanos cache_duration = 5min;
};

class RemoteKeys final : public Preparation, public std::enable_shared_from_this<RemoteKeys> {
 public:
  static constexpr Nanos kFetchTimeout = 5s;   // the wait for a place among other fetches included
  static constexpr size_t kWaitingMax = 1024;  // requests, on a worker

  // Without workers nothing is ever fetched.
  static std::shared_ptr<RemoteKeys> create(const JwksSource& source, const HttpClient& client,
                                            const WorkerLoops& loops, std::span<const WorkerPlace> workers,
                                            const JwksMetrics& metrics);

  // What this worker knows: null when there are none (yet). The version changes with the keys.
  const std::shared_ptr<const jose::KeySet>& keys() const { return heard_.here().known.keys; }
  uint64_t version() const { return heard_.here().known.version; }

  // Whether newer() may help somebody who finds no key: not while a pause is kept, nor where too many wait.
  bool may_help(const Request& request) const;
  // Waits until the owner has said what there is. The only Error is `cancelled`.
  Task<void> newer(Request& request);

  void prepare(std::move_only_function<void()> settled) override;

 private:
  class Fetcher;
  struct Known {
    std::shared_ptr<const jose::KeySet> keys;
    uint64_t version = 0;
    SteadyTime missing_at = SteadyTime::min();  // JwksSchedule's
    SteadyTime unknown_key_at = SteadyTime::min();
  };
  // On each worker.
  struct Heard {
    Known known;
    bool asked = false;    // the owner, who has not answered
    uint64_t answers = 0;  // of the owner
    size_t waiting = 0;
    Event news;
  };
  class Waiting;

  RemoteKeys(const JwksSource& source, const HttpClient& client, const WorkerLoops& loops,
             std::span<const WorkerPlace> workers, const JwksMetrics& metrics);
  void learn(const Known& known, bool is_answer) const;
  // Runs `job(Fetcher&)` on the owner's thread.
  template <class Job>
  void tell_owner(Job job);

  const WorkerLoops loops_;
  const unsigned owner_;
  const bool can_fetch_;
  const JwksMetrics metrics_;
  const Local<Heard> heard_;
  const Local<Fetcher, RemoteKeys&> fetcher_;  // the owner's alone
};

// The verifier of one provider on each worker, over keys that are written down or come from a URL.
class Verifiers {
 public:
  // `rules` with keys.
  Verifiers(const WorkerLoops& loops, jose::ProviderRules rules);
  // `rules` without.
  Verifiers(const WorkerLoops& loops, jose::ProviderRules rules, std::shared_ptr<RemoteKeys> remote);

  // This worker's.
  jose::Verifier& here() const {
    Mine& mine = local_.here();
    if (remote_ && mine.version != remote_->version()) [[unlikely]]
      renew(mine);
    return *mine.verifier;
  }
  RemoteKeys* remote() const { return remote_.get(); }

 private:
  struct Mine {
    std::unique_ptr<jose::Verifier> verifier;
    uint64_t version = 0;  // of the keys
  };
  static std::unique_ptr<Mine> make(const std::shared_ptr<const jose::Provider>& provider);
  void renew(Mine& mine) const;

  const jose::ProviderRules rules_;     // where the keys come from elsewhere
  std::shared_ptr<RemoteKeys> remote_;  // null: none
  Local<Mine> local_;
};

}  // namespace sluice::jwt
