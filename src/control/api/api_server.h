// The built-in Kubernetes-style API: enough of it for kubectl on our kinds, Secrets and ConfigMaps.
//
// No transport: a request goes in, a response or a watch comes out. All on the control thread. What a caller may rely
// on: a write that was answered with success is on disk; an object that breaks a rule is answered with 422 and stored
// nowhere; a request that comes from a web page (Origin), or from somebody without a token names another Host than
// loopback's, is refused with 403 before anything else is looked at.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/load.h"
#include "control/api/byte_budget.h"
#include "control/api/failure.h"
#include "control/api/representation.h"
#include "control/api/request.h"
#include "control/api/watch_stream.h"
#include "control/store/database.h"
#include "control/store/object_store.h"

namespace sluice {

struct ApiOptions {
  Callers callers = Callers::of_this_machine;
  std::span<const OptionField> option_fields;  // must outlive the server
  // More that may be wrong with an object that reads well; errors are answered with 422, warnings as Warning fields.
  std::function<void(const ConfigObject& object, Diagnostics& diagnostics)> check;
  std::function<bool()> ready;  // for /readyz; empty: always
  std::string program_version = "0";
  size_t watches_max = 64;
  size_t bytes_max = size_t{256} << 20;  // of all requests and answers together; one list of everything has its place
  ByteCounts bytes_counts;
};

struct ApiAnswer {
  ApiResponse response;
  // When set, the body is what the stream gives, in chunks; response.body is empty. The server must outlive it.
  std::unique_ptr<WatchStream> watch;
};

class ApiServer {
 public:
  ApiServer(ObjectStore& store, Database& database, ApiOptions options);

  ApiAnswer handle(const ApiRequest& request);

  // For a body over ApiRequest::kBodyBytesMax, which need not be read.
  static ApiResponse too_large();
  // For one more request when those under way hold all of the memory that memory() gives.
  static ApiResponse busy();

  // What the transport charges for: bodies while they come, answers and events until they are written.
  ByteBudget& memory() { return memory_; }

  size_t watches() const { return *watches_; }

 private:
  // A resource path taken apart: /apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME.
  struct Resource {
    const Kind* kind = nullptr;
    std::string ns;    // "" for all
    std::string name;  // "" for the collection
    ObjectKey key() const { return {std::string(kind->kind), ns, name}; }
  };
  // What a write verb works with.
  struct Write {
    const ApiRequest& request;
    const Query& query;
    Resource resource;
    bool dry_run = false;
    enum class Unknown : uint8_t { refuse, warn, ignore } unknown_fields = Unknown::refuse;
    std::vector<std::string> warnings;
  };

  ApiOutcome<ApiAnswer> answer(const ApiRequest& request);
  Status check_caller(const ApiRequest& request) const;
  static ApiOutcome<Resource> find_resource(const Target& target);
  ApiOutcome<ApiAnswer> read(const ApiRequest& request, const Query& query, const Resource& resource);

  // Reading.
  ApiOutcome<ApiAnswer> get(const Representation& as, const ApiRequest& request, const Resource& resource);
  ApiOutcome<ApiAnswer> list(const Representation& as, const ApiRequest& request, const Query& query,
                             const Resource& resource);
  ApiOutcome<ApiAnswer> watch(const Representation& as, const ApiRequest& request, const Query& query,
                              const Resource& resource);
  std::vector<View> select(const Kind& kind, const Selection& selection) const;
  std::vector<View> namespaces() const;

  // Writing.
  ApiOutcome<ApiAnswer> write(const ApiRequest& request, const Query& query, Resource resource);
  ApiOutcome<ApiAnswer> create_namespace(const ApiRequest& request) const;
  ApiOutcome<ApiAnswer> create(Write& write);
  ApiOutcome<ApiAnswer> update(Write& write);
  ApiOutcome<ApiAnswer> patch(Write& write);
  ApiOutcome<ApiAnswer> remove(Write& write);
  ApiOutcome<ApiAnswer> remove_all(Write& write);
  static ApiOutcome<void> read_delete_options(Write& write, const StoredObject* there);
  ApiOutcome<ApiAnswer> store_changed(Write& write, const StoredObject& there, Node body);
  ApiOutcome<ApiAnswer> store(Write& write, Node body, int status);
  ApiOutcome<ConfigObjectPtr> understand(Write& write, Node& body) const;

  ObjectStore& store_;
  Database& database_;
  ApiOptions options_;
  ByteBudget memory_;
  std::shared_ptr<size_t> watches_ = std::make_shared<size_t>(0);
};

}  // namespace sluice
