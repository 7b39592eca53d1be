// Masks sensitive data in response bodies.
//
// The thinking is in engines/masking and engines/coding; here the response's body gets a reader that masks, and its
// head is made to fit. Outermost on the response, so that nothing comes behind it that could add content. Behaviour:
// gloo-policies.md 4, design.md 4, README.md beside this.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "filters/dlp/masked_body.h"
#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& dlp_filter();

namespace dlp {

class DlpFilter final : public Filter {
 public:
  DlpFilter(std::shared_ptr<const masking::Rules> rules, const FilterBuild& build);

  Task<Response> handle(Request& request, Next next) const override;

 private:
  // Why a response cannot be masked, and so is not let through.
  struct Refusal {
    uint16_t status;
    std::string_view body;
    std::string_view details;
    OutcomeKind kind = OutcomeKind::own_answer;
    std::string_view why = {};  // for the log, when it is not the body
  };
  bool concerns(const Request& request, const Response& response) const;
  struct Readable {
    Body body;
    const DecodedBody* decoded = nullptr;  // when it had codings
  };
  // The body behind its codings; the refusal when they cannot be undone.
  std::expected<Readable, Refusal> readable_body(Request& request, Response& response) const;
  Response mask(Request& request, Response response) const;
  Task<Response> handle_slowly(Request& request, Task<Response> rest) const;
  Task<Response> mask_whole(Request& request, Response response, Readable readable) const;
  Response refuse(Request& request, const Refusal& refusal) const;
  void tell_refused(const Request& request, uint16_t status, std::string_view details, std::string_view why) const;
  MatchCounts& make_counts(Request& request) const;

  std::shared_ptr<const masking::Rules> rules_;
  std::shared_ptr<const MatchCounters> counters_;
  Counter* refused_;
  Counter* too_costly_;
  size_t buffer_bytes_max_;
};

}  // namespace dlp
}  // namespace sluice
