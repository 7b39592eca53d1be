// The access log of a listener: for each finished request one record per sink (reference gloo-policies.md 8.5).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/kinds/gateway.h"
#include "observe/log_file.h"
#include "pipeline/format.h"

namespace sluice {

// Envoy's default text format, used by a sink that names no format.
extern const std::string_view kEnvoyLogFormat;
// The same with the response code details behind: the log of a Gateway without any configuration of it (design.md 2).
extern const std::string_view kDefaultLogFormat;

class AccessLog {
 public:
  // What is wrong with the formats, without opening a file: for each sink its first error, which begins with the path
  // of the field, as in "accessLog[0].fileSink.stringFormat: ...". Empty when all of them compile.
  static std::vector<std::string> check(const kinds::AccessLoggingService& service);

  // The same for the files: which of them this process could not write. Opens and makes none.
  static std::vector<std::string> try_files(const kinds::AccessLoggingService& service);

  // `service` is null when the Gateway configures nothing: then `default_path` is written in kDefaultLogFormat; ""
  // means no log.
  static Result<std::shared_ptr<const AccessLog>> create(const kinds::AccessLoggingService* service,
                                                         const std::string& default_path, LogFiles& files);

  // On the worker that served the request. Never waits.
  void write(const FormatInput& input) const;
  bool empty() const { return sinks_.empty(); }
  // Files that cannot be written just now, as try_files() says it; they are tried again.
  std::vector<std::string> problems() const;

 private:
  using AnyFormat = std::variant<Format, JsonFormat>;
  struct Sink {
    std::shared_ptr<LogFile> file;
    AnyFormat format;
  };
  AccessLog() = default;
  static Result<AnyFormat> compile(const kinds::FileSink& sink);
  Status add(const kinds::FileSink& sink, LogFiles& files);
  Status add_all(const kinds::AccessLoggingService& service, LogFiles& files);

  std::vector<Sink> sinks_;
};

}  // namespace sluice
