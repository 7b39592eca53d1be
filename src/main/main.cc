// The command line (design.md 2).
#include <sched.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/log.h"
#include "control/control_plane.h"
#include "filters/all.h"
#include "main/commands.h"

namespace sluice {
namespace {

const std::string kAdminDefault = fmt::format("127.0.0.1:{}", kAdminPortDefault);
const std::string kApiDefault = fmt::format("127.0.0.1:{}", kApiPortDefault);
constexpr const char* kAdminHelp =
    "admin port of the running sluice, ADDRESS:PORT or NAME:PORT; https:// in front: by TLS, as always beyond loopback";
constexpr const char* kApiHelp =
    "API of the running sluice, ADDRESS:PORT or NAME:PORT; https:// in front: by TLS, as always beyond loopback";

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

std::vector<std::string> default_config() {
  return {std::filesystem::exists("./sluice.d") ? "./sluice.d" : "/etc/sluice"};
}

struct RunArguments {
  std::vector<std::string> config;
  unsigned workers = 0;
  std::string admin = kAdminDefault;
  std::string api = kApiDefault;
  std::string metrics = "off";
  OwnAccessOptions access;
  std::vector<std::string> resolvers;
  std::string access_log = "stdout";
  std::string log_level = "info";
  std::string log_format = "text";
  bool strict = false;
  LoopBackend loop = LoopBackend::automatic;
  size_t connections_max = 0;
  size_t body_mebibytes_max = 512;
  size_t memory_mebibytes_max = 0;
};

// CLI11's own words for a number with a unit are "not in range".
CLI::Validator whole_number(size_t least, size_t most, std::string_view of) {
  return {[least, most, of](const std::string& text) {
            size_t number = 0;
            const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
            if (read.ec == std::errc() && read.ptr == text.data() + text.size() && number >= least && number <= most)
              return std::string();
            return fmt::format("must be a whole number{} from {} to {}, not {}", of, least, most, json_quote(text));
          },
          fmt::format("{} to {}", least, most)};
}

int usage_error(const std::string& message) {
  fmt::print(stderr, "sluice: {}\n", message);
  return kUsage;
}

// Any address; "off" is nothing.
Result<std::optional<Endpoint>> open_endpoint(std::string_view option, const std::string& text) {
  if (text == "off") return std::nullopt;
  auto endpoint = Endpoint::parse(text);
  if (!endpoint) return invalid(fmt::format("--{}: {}", option, endpoint.error().message));
  return *endpoint;
}

// Those of ports beyond loopback mean nothing where there is none.
Status check_access(const OwnAccessOptions& access, bool any_beyond_loopback) {
  if (access.certificate_file.empty() != access.key_file.empty())
    return invalid("--tls-cert and --tls-key belong together");
  if (!access.certificate_file.empty() && !access.names.empty())
    return invalid("--tls-name is for the certificate that sluice makes; that of --tls-cert has its own names");
  for (const std::string& name : access.names)
    if (auto good = check_own_name(name); !good) return invalid("--tls-name: " + good.error().message);
  const bool any = !access.certificate_file.empty() || !access.token_file.empty() || !access.names.empty();
  if (any && !any_beyond_loopback)
    return invalid(
        "--tls-cert, --tls-key, --tls-name and --token-file are for an --admin or --api beyond loopback; on loopback "
        "both are served in the clear, to this machine alone");
  return {};
}

std::optional<SocketAddress> listen_address(const std::optional<Endpoint>& endpoint) {
  if (!endpoint) return std::nullopt;
  return SocketAddress::of(*endpoint);
}

int run_command(const RunArguments& arguments) {
  RunOptions options;
  options.config_paths = arguments.config.empty() ? default_config() : arguments.config;
  options.workers = arguments.workers ? arguments.workers : usable_cpus();
  options.strict = arguments.strict;
  options.loop = arguments.loop;
  options.connections_max = arguments.connections_max;
  options.body_bytes_max = arguments.body_mebibytes_max << 20;
  options.memory_bytes_max = arguments.memory_mebibytes_max << 20;
  options.version = SLUICE_VERSION;
  options.filters = all_filters();
  const auto admin = open_endpoint("admin", arguments.admin);
  const auto api = open_endpoint("api", arguments.api);
  const auto metrics = open_endpoint("metrics", arguments.metrics);
  if (!admin) return usage_error(admin.error().message);
  if (!api) return usage_error(api.error().message);
  if (!metrics) return usage_error(metrics.error().message);
  const auto beyond = [](const std::optional<Endpoint>& own) { return own && is_beyond_loopback(own->address); };
  if (auto good = check_access(arguments.access, beyond(*admin) || beyond(*api)); !good)
    return usage_error(good.error().message);
  options.access = arguments.access;
  options.admin = listen_address(*admin);
  options.metrics = listen_address(*metrics);
  options.api = listen_address(*api);
  for (const std::string& text : arguments.resolvers) {
    auto endpoint = Endpoint::parse(text, 53);
    if (!endpoint) return usage_error("--resolver: " + endpoint.error().message);
    options.resolvers.push_back(*endpoint);
  }
  options.access_log = arguments.access_log == "off"      ? ""
                       : arguments.access_log == "stdout" ? "/dev/stdout"
                                                          : arguments.access_log;
  const auto level = parse_log_level(arguments.log_level);
  if (!level) return usage_error("--log-level takes trace, debug, info, warn or error");
  log::set_level(*level);
  log::set_format(arguments.log_format == "json" ? LogFormat::json : LogFormat::text);
  return run_gateway(options);
}

// Of systemd's folders the first one.
std::string default_state() {
  const char* given = std::getenv("STATE_DIRECTORY");
  const std::string_view folders = given ? given : "";
  return folders.empty() ? "/var/lib/sluice" : std::string(folders.substr(0, folders.find(':')));
}

void add_credentials(CLI::App& app, OwnServer& server) {
  server.state_folder = default_state();
  app.add_option(
      "--ca", server.ca_file,
      "file with the authority (PEM) of its certificate, where it speaks TLS, or system; default: the one made "
      "in the state folder");
  app.add_option("--token-file", server.token_file, "file with the token; default: the one made in the state folder");
  app.add_option("--state", server.state_folder, "state folder of the running sluice")->capture_default_str();
}

std::string from_environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

void add_run(CLI::App& app, RunArguments& arguments) {
  app.add_option("--config", arguments.config, "files and folders to read; default ./sluice.d, else /etc/sluice");
  app.add_option("--workers", arguments.workers, "threads that serve traffic; default: the usable CPUs")
      ->check(CLI::Range(1, 256));
  app.add_option("--admin", arguments.admin,
                 "address of the admin port, or off; beyond loopback it speaks TLS and asks for a token")
      ->capture_default_str();
  app.add_option("--api", arguments.api, "address of the Kubernetes-style API, or off; likewise")
      ->capture_default_str();
  app.add_option("--tls-cert", arguments.access.certificate_file,
                 "file with the certificate (PEM, with its chain) of admin and API beyond loopback; read again when it "
                 "changes; default: made by an authority in the state folder");
  app.add_option("--tls-key", arguments.access.key_file, "its private key (PEM)");
  app.add_option("--tls-name", arguments.access.names,
                 "a name or address more that the certificate made here is for; may be repeated");
  app.add_option(
      "--token-file", arguments.access.token_file,
      "file with the tokens that admin and API beyond loopback take, one a line; read again when it changes; "
      "default: one made in the state folder");
  app.add_option("--state", arguments.access.state_folder, "folder for what sluice makes for itself")
      ->capture_default_str();
  app.add_option("--metrics", arguments.metrics,
                 "address of a port with /metrics, /healthz and /readyz alone, which may be beyond loopback")
      ->capture_default_str();
  app.add_option("--resolver", arguments.resolvers, "DNS server IP[:PORT]; may be repeated; default: the system's");
  app.add_option("--access-log", arguments.access_log, "off, stdout or a path, where a Gateway configures none")
      ->capture_default_str();
  app.add_option("--log-level", arguments.log_level, "trace, debug, info, warn, error")->capture_default_str();
  app.add_option("--log-format", arguments.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--max-connections", arguments.connections_max,
                 "client connections on all Gateways together; default: their share of the file descriptors "
                 "(sluice_descriptors_max)")
      ->check(whole_number(1, 1 << 24, ""));
  app.add_option("--max-body-memory", arguments.body_mebibytes_max,
                 "MiB of bodies that may be collected at once, for filters that need them whole")
      ->check(whole_number(1, 1 << 20, " of MiB"))
      ->capture_default_str();
  app.add_option(
         "--max-memory", arguments.memory_mebibytes_max,
         "MiB that the process may use: near them it keeps no connections, then refuses requests; default: what "
         "its cgroup allows")
      ->check(whole_number(32, 1 << 24, " of MiB"));
  const std::map<std::string, LoopBackend> loops{
      {"auto", LoopBackend::automatic}, {"epoll", LoopBackend::epoll}, {"io_uring", LoopBackend::io_uring}};
  app.add_option("--loop", arguments.loop, "how workers wait: epoll, io_uring, or auto: io_uring where it can be had")
      ->transform(CLI::CheckedTransformer(loops));
  app.add_flag("--strict", arguments.strict, "do not start while anything in the configuration is wrong");
}

int help_command(const CLI::App& app, const std::string& about, FILE* where = stdout) {
  const CLI::App* command = &app;
  if (!about.empty()) {
    const auto named = app.get_subcommands([&](const CLI::App* each) { return each->check_name(about); });
    command = named.empty() ? nullptr : named.front();
  }
  if (!command) return usage_error(fmt::format("there is no command {}; sluice help lists them", json_quote(about)));
  // Not App::help(): that would tell of the command which was parsed, and it is `help`.
  const std::string name = command == &app ? "sluice" : "sluice " + command->get_name();
  fmt::print(where, "{}", command->get_formatter()->make_help(command, name, CLI::AppFormatMode::Normal));
  return kOk;
}

// Where nobody takes that word: which was meant, or which there are.
std::string not_expected(const CLI::App& app, const std::string& word) {
  const CLI::App* command = &app;
  std::string full_name = "sluice";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    full_name += " " + command->get_name();
  }
  const bool is_option = word.starts_with('-');
  std::vector<std::string> names;
  if (is_option) {
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  } else {
    for (const CLI::App* one : command->get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(one->get_name());
  }
  const std::string_view what = is_option ? "option" : names.empty() ? "argument" : "command";
  const std::string given = is_option ? word.substr(0, word.find('=')) : word;
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto meant = nearest(given, candidates);
  return fmt::format("unknown {} {} of {}; {}{}", what, json_quote(printable(given, 80)), full_name,
                     meant           ? fmt::format("did you mean {}? ", *meant)
                     : names.empty() ? ""
                                     : fmt::format("there are {}; ", join(names, ", ")),
                     full_name + " --help says more");
}

int run_main(int argc, char** argv) {
  CLI::App app{"sluice: an API gateway with a dynamic forward proxy"};
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("sluice {}", SLUICE_VERSION), "print the version");
  app.footer("sluice COMMAND --help, or sluice help COMMAND, says more of one command.");
  int code = 0;

  RunArguments run;
  run.access.state_folder = default_state();
  CLI::App* run_app = app.add_subcommand("run", "serve traffic by the configuration in files and folders");
  add_run(*run_app, run);
  run_app->callback([&] { code = run_command(run); });

  std::vector<std::string> check_paths;
  CLI::App* check = app.add_subcommand("check", "print everything that is wrong with configuration");
  check->add_option("PATH", check_paths, "files and folders; - is standard input")->required();
  check->callback([&] { code = check_command(check_paths); });

  ProxyAddress proxy_address;
  std::string wait = "0s";
  CLI::App* proxy = app.add_subcommand("proxy", "where the gateway can be reached");
  proxy->require_subcommand(1);
  for (const bool url : {true, false}) {
    CLI::App* which = proxy->add_subcommand(url ? "url" : "address", url ? "http://host:port" : "host:port");
    which->add_option("--admin", proxy_address.admin.address, kAdminHelp);
    add_credentials(*which, proxy_address.admin);
    which->add_option("--wait", wait, "how long to wait for it, such as 5s");
    which->callback([&, url] {
      if (proxy_address.admin.address.empty())
        proxy_address.admin.address = from_environment("SLUICE_ADMIN", kAdminDefault);
      const auto duration = parse_duration(wait);
      if (!duration) {
        code = usage_error("--wait: " + duration.error().message);
        return;
      }
      proxy_address.wait_seconds = static_cast<double>(duration->count()) / 1e9;
      code = proxy_command(proxy_address, url);
    });
  }

  GetObjects objects;
  CLI::App* get = app.add_subcommand("get", "objects of a running sluice and their statuses");
  get->add_option("KIND", objects.resource, "vs, gw, us, ...")->required();
  get->add_option("NAME", objects.name);
  get->add_option("-n,--namespace", objects.ns, "default: all, or gloo-system with a name");
  get->add_option("-o,--output", objects.output, "table, yaml or json")
      ->check(CLI::IsMember({"table", "yaml", "json"}));
  get->add_option("--api", objects.api.address, kApiHelp);
  add_credentials(*get, objects.api);
  get->callback([&] {
    if (objects.api.address.empty()) objects.api.address = from_environment("SLUICE_API", kApiDefault);
    code = get_command(objects);
  });

  OwnServer kubeconfig_api;
  CLI::App* kubeconfig = app.add_subcommand(
      "kubeconfig", "print a kubeconfig for the built-in API; beyond loopback with its authority and a token");
  kubeconfig->add_option("--api", kubeconfig_api.address, kApiHelp);
  add_credentials(*kubeconfig, kubeconfig_api);
  kubeconfig->callback([&] {
    if (kubeconfig_api.address.empty()) kubeconfig_api.address = from_environment("SLUICE_API", kApiDefault);
    code = kubeconfig_command(kubeconfig_api);
  });

  ExplainRequest explain;
  CLI::App* explain_app = app.add_subcommand("explain", "what would happen to a request; nothing is sent");
  explain_app->add_option("URL", explain.url)->required();
  explain_app->add_option("-X,--method", explain.method);
  explain_app->add_option("-H,--header", explain.headers, "a header, as curl takes it; may be repeated");
  explain_app->add_option("--config", explain.config, "files and folders to read");
  explain_app->callback([&] {
    if (explain.config.empty()) explain.config = default_config();
    code = explain_command(explain);
  });

  SignToken sign;
  CLI::App* token = app.add_subcommand("token", "sign a JWT, for trying things out");
  token->add_option("--key", sign.key_file, "private key, PEM (for HS*: the secret)")->required();
  token->add_option("--alg", sign.algorithm, "RS256, PS256, ES256, EdDSA, HS256, ...")->capture_default_str();
  token->add_option("PAYLOAD", sign.payload_file, "JSON file, or -")->required();
  token->callback([&] { code = token_command(sign); });

  app.add_subcommand("filters", "the filter order in force")->callback([&] { code = filters_command(); });
  app.add_subcommand("version", "print the version")->callback([] { fmt::print("sluice {}\n", SLUICE_VERSION); });
  std::string help_about;
  CLI::App* help = app.add_subcommand("help", "print what there is, or what one command takes");
  help->add_option("COMMAND", help_about);
  help->callback([&] { code = help_command(app, help_about); });
  std::string docs_what;
  CLI::App* docs = app.add_subcommand("docs", "print generated pages: kinds, filters, metrics");
  docs->add_option("WHAT", docs_what)->required()->check(CLI::IsMember({"kinds", "filters", "metrics"}));
  docs->callback([&] { code = docs_command(docs_what); });

  if (argc == 1) {
    help_command(app, "", stderr);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    return usage_error(not_expected(app, app.remaining(true).front()));
  } catch (const CLI::RequiredError& error) {
    // What is missing may be there under a wrong name.
    const std::vector<std::string> unknown = app.remaining(true);
    if (!unknown.empty()) return usage_error(not_expected(app, unknown.front()));
    return app.exit(error) == 0 ? kOk : kUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return code;
}

}  // namespace

int filters_command() {
  std::multimap<Stage, std::string_view> rows;  // those of one stage as the build lists them
  for (const FilterFactory* filter : all_filters())
    for (const Stage stage : filter->stages()) rows.emplace(stage, filter->name());
  for (const auto& [stage, name] : rows) fmt::print("{:<26} {}\n", stage_name(stage), name);
  fmt::print("{:<26} {}\n", stage_name(Stage::router),
             "static upstreams, dynamic forward proxy, redirect, direct response");
  return kOk;
}

}  // namespace sluice

int main(int argc, char** argv) {
  return sluice::run_main(argc, argv);
}
