// The program's commands (design.md 2). Each returns the exit code: 0 ok, 1 config errors, 2 usage, 3 cannot listen,
// read or write, 4 no running sluice at that address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

inline constexpr uint16_t kAdminPortDefault = 19000;
inline constexpr uint16_t kApiPortDefault = 19001;

inline constexpr int kOk = 0;
inline constexpr int kConfigErrors = 1;
inline constexpr int kUsage = 2;
inline constexpr int kSystemError = 3;
inline constexpr int kNotRunning = 4;

int check_command(const std::vector<std::string>& paths);

// One of the ports of a running sluice, and what its caller shows where it is beyond loopback.
struct OwnServer {
  std::string address;     // "127.0.0.1:19000", "https://10.0.0.7:19000"
  std::string ca_file;     // "system": the system's roots; empty: that of the state folder
  std::string token_file;  // empty: that of the state folder
  std::string state_folder;
};

struct ProxyAddress {
  OwnServer admin;
  double wait_seconds = 0;
};
int proxy_command(const ProxyAddress& options, bool url);

struct GetObjects {
  OwnServer api;
  std::string resource;
  std::string name;
  std::string ns;
  std::string output = "table";
};
int get_command(const GetObjects& options);
int kubeconfig_command(const OwnServer& api);

struct SignToken {
  std::string key_file;
  std::string algorithm = "RS256";
  std::string payload_file;
};
int token_command(const SignToken& options);

struct ExplainRequest {
  std::string url;
  std::string method = "GET";
  std::vector<std::string> headers;
  std::vector<std::string> config;
};
int explain_command(const ExplainRequest& options);

int filters_command();
int docs_command(const std::string& what);

}  // namespace sluice
