// Checks the client's JWT, and turns its claims into request headers.
//
// The thinking is in engines/jose; here is where tokens are found, what their verdict means for the request, and which
// answer a refusal gets. Behaviour: gloo-policies.md 3, design.md 4.
#pragma once

#include <expected>

#include "engines/jose/verified_tokens.h"
#include "filters/jwt/config.h"
#include "filters/jwt/remote_keys.h"
#include "filters/jwt/token_place.h"
#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& jwt_filter();

namespace jwt {

// One for each worker, shared by all filters of all snapshots with the same limits.
using Remembered = Local<jose::VerifiedTokens>;

struct Counters {
  Counter* allowed;
  Counter* denied;
  Counter* remembered;  // tokens found in the memory of verified ones
  Counter* verified;    // tokens that had to be verified
  Gauge* entries;
};

// The headers that checks of a stage make of claims: nobody but the gateway says them.
struct ClaimHeaders {
  std::vector<std::string> own;     // of the check in force
  std::vector<std::string> others;  // of the virtual host's check that it replaces or that is switched off
};

// Takes claim headers of the client's out of the request, and whatever a backend may take for one.
class ClaimGuard : public Filter {
 public:
  explicit ClaimGuard(ClaimHeaders headers) : headers_(std::move(headers)) {}

  // Where the check is switched off: nothing else.
  Task<Response> handle(Request& request, Next next) const override;

 protected:
  // Returns whether there were any.
  bool clear(Request& request) const;

 private:
  bool clears(std::string_view name) const;
  static bool cleared_before(const Request& request, std::string_view name);

  ClaimHeaders headers_;
};

// The keys that come from URLs, by provider.
using RemoteKeysByProvider = std::map<std::string, std::shared_ptr<RemoteKeys>>;

class JwtFilter final : public ClaimGuard {
 public:
  JwtFilter(const Check& check, const RemoteKeysByProvider& remote, ClaimHeaders headers, const FilterBuild& build);

  Task<Response> handle(Request& request, Next next) const override;

 private:
  struct ClaimHeader {
    std::string name;
    bool append;
  };
  struct Issuer {
    std::shared_ptr<Verifiers> verifiers;
    std::vector<TokenPlace> places;
    std::vector<ClaimHeader> claim_headers;  // beside jose::Provider::claims()
    bool keep_token;
  };
  // The tokens that made a provider say yes.
  struct Accepted {
    const Issuer* issuer = nullptr;
    FoundTokens tokens;
    std::array<std::shared_ptr<const jose::VerifiedToken>, FoundTokens::kMax> verified;
  };
  using Verdict = std::expected<Accepted, jose::Failure>;
  // Keys that a request lacks.
  struct Lacking {
    RemoteKeys* keys = nullptr;      // that may be had by waiting
    std::vector<RemoteKeys*> asked;  // for which it has waited
  };

  Issuer make_issuer(const std::string& name, const Provider& provider, const RemoteKeysByProvider& remote,
                     const FilterBuild& build) const;
  Task<Response> answer(Request& request, Next next, const Verdict& verdict, bool changed) const;
  Task<Response> wait_for_keys(Request& request, Next next, bool changed) const;
  Verdict judge(const Request& request, Lacking& lacking) const;
  Verdict judge(const Issuer& issuer, const Request& request) const;
  static bool may_wait(const Issuer& issuer, jose::Failure failure, const Request& request, const Lacking& lacking);
  std::expected<std::shared_ptr<const jose::VerifiedToken>, jose::Failure> verify(const Issuer& issuer,
                                                                                  std::string_view token,
                                                                                  int64_t now) const;
  std::string_view unusable_claim(const Accepted& accepted) const;
  bool accept(Request& request, const Accepted& accepted) const;
  bool passes(jose::Failure failure) const;

  ValidationPolicy policy_;
  std::vector<Issuer> issuers_;
  std::shared_ptr<Remembered> remembered_;
  Counters counters_;
};

}  // namespace jwt
}  // namespace sluice
