#include "observe/access_log.h"

#include <fmt/format.h>

namespace sluice {

#define SLUICE_ENVOY_FORMAT                                                                          \
  "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% " \
  "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% " \
  "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\""

constexpr std::string_view kEnvoyLogFormat = SLUICE_ENVOY_FORMAT "\n";
constexpr std::string_view kDefaultLogFormat = SLUICE_ENVOY_FORMAT " %RESPONSE_CODE_DETAILS%\n";

#undef SLUICE_ENVOY_FORMAT

namespace {

std::vector<std::string> problems_of(const kinds::FileSink& sink) {
  std::vector<std::string> out =
      sink.json_format ? JsonFormat::problems(*sink.json_format) : Format::problems(sink.string_format);
  for (std::string& one : out) one.insert(0, sink.json_format ? "jsonFormat" : "stringFormat: ");
  return out;
}

}  // namespace

Result<AccessLog::AnyFormat> AccessLog::compile(const kinds::FileSink& sink) {
  if (sink.json_format) {
    auto format = JsonFormat::compile(*sink.json_format);
    if (!format) return std::unexpected(std::move(format).error().in("jsonFormat"));
    return *std::move(format);
  }
  auto format = Format::compile(sink.string_format.empty() ? kEnvoyLogFormat : sink.string_format);
  if (!format) return std::unexpected(std::move(format).error().in("stringFormat"));
  return *std::move(format);
}

Status AccessLog::add(const kinds::FileSink& sink, LogFiles& files) {
  AnyFormat format = TRY(compile(sink));
  sinks_.push_back({files.open(sink.path), std::move(format)});
  return {};
}

Status AccessLog::add_all(const kinds::AccessLoggingService& service, LogFiles& files) {
  for (size_t i = 0; i < service.access_log.size(); ++i)
    if (Status added = add(service.access_log[i].file_sink, files); !added)
      return std::unexpected(std::move(added).error().in(fmt::format("accessLog[{}].fileSink", i)));
  return {};
}

std::vector<std::string> AccessLog::check(const kinds::AccessLoggingService& service) {
  std::vector<std::string> problems;
  for (size_t i = 0; i < service.access_log.size(); ++i)
    for (const std::string& problem : problems_of(service.access_log[i].file_sink))
      problems.push_back(fmt::format("accessLog[{}].fileSink.{}", i, problem));
  return problems;
}

Result<std::shared_ptr<const AccessLog>> AccessLog::create(const kinds::AccessLoggingService* service,
                                                           const std::string& default_path, LogFiles& files) {
  std::shared_ptr<AccessLog> out(new AccessLog);
  if (service)
    TRY(out->add_all(*service, files));
  else if (!default_path.empty())
    TRY(out->add({.path = default_path, .string_format = std::string(kDefaultLogFormat)}, files));
  return out;
}

std::vector<std::string> AccessLog::try_files(const kinds::AccessLoggingService& service) {
  std::vector<std::string> problems;
  for (size_t i = 0; i < service.access_log.size(); ++i)
    if (const std::string problem = LogFiles::try_out(service.access_log[i].file_sink.path); !problem.empty())
      problems.push_back(fmt::format("accessLog[{}].fileSink.path: {}", i, problem));
  return problems;
}

std::vector<std::string> AccessLog::problems() const {
  std::vector<std::string> problems;
  for (size_t i = 0; i < sinks_.size(); ++i)
    if (const std::string problem = sinks_[i].file->problem(); !problem.empty())
      problems.push_back(fmt::format("accessLog[{}].fileSink.path: {}", i, problem));
  return problems;
}

void AccessLog::write(const FormatInput& input) const {
  for (const Sink& sink : sinks_) {
    std::string* out = sink.file->begin();
    if (!out) continue;
    std::visit([&](const auto& format) { format.append(*out, input); }, sink.format);
    sink.file->end();
  }
}

}  // namespace sluice
