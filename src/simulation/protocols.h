// What clients and hosts do in the words of every protocol, and who does it in the words of one. A protocol joins the
// matrix (matrix_test.cc) with a driver for each of its sides and a row in client_protocols() or host_protocols().
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "net/stream.h"

namespace sluice::simulation {

// How far a message has come when its sender goes away: the connection, or the stream where a protocol has several on
// one, is reset.
enum class Point : uint8_t { in_head, before_body, in_body, behind };

struct Ask {
  std::string method = "GET";
  std::string path = "/";
  std::string body;
  bool length_known = true;
  bool expects_continue = false;
  bool takes_trailers = false;
  std::string trailer;  // the value of x-sum; only where the length is not known
  bool upgrades = false;
  bool last = false;            // of its connection
  std::optional<Point> leaves;  // while it asks; behind: it does not wait for the answer
  std::optional<Point> stalls;  // says no more and waits
  bool leaves_in_answer = false;
  // Says its body byte by byte, each when the one before has come back, and so much later. Only where both can.
  std::optional<Nanos> converses;
};

// What became of an Ask for who sent it.
struct Saw {
  std::vector<int> interim;
  int status = 0;  // 0: no answer
  std::string body;
  std::string trailer;
  bool whole = false;  // and so certainly that a cut is told apart
  bool last = false;   // the gateway keeps the connection no longer
  bool length_told = false;
};

// What a host does with each request.
struct Script {
  std::vector<int> interim;
  int status = 200;
  std::string body;
  bool length_known = true;
  std::string trailer;
  bool early = false;  // answers before it reads the body, then reads it
  bool last = false;
  bool silent = false;               // never answers
  bool echoes = false;               // gives back what comes as it comes, and the trailer behind it; where it can
  std::optional<Point> leaves;       // while it reads; behind: when it has read all, without an answer
  std::optional<Point> leaves_then;  // while it answers
};

// What a host has heard.
struct Heard {
  std::string method, path, body, trailer;
  bool whole = false;
};

struct Feature {
  bool interim = false;         // answers before the answer
  bool trailers = false;        // behind a body
  bool unknown_length = false;  // a body that ends by itself, on a connection that goes on
  bool upgrade = false;
  bool several = false;  // requests on one connection, which goes on whatever becomes of one of them
  bool converses = false;
  int declined = 200;  // what a client sees of 200 where it asked for an upgrade
};

// A connection of a client's. Coroutines end with an Error when theirs is no proper end.
class ClientDriver {
 public:
  virtual ~ClientDriver() = default;
  // `saw` is true whenever this is waited for. Again, as long as the connection stays.
  virtual Task<void> ask(const Ask& ask, Saw& saw) = 0;
};

class HostDriver {
 public:
  virtual ~HostDriver() = default;
  // Until the connection ends.
  virtual Task<void> serve(const Script& script, std::vector<Heard>& heard) = 0;
};

struct ClientProtocol {
  std::string_view name;
  Feature feature;
  int refused = 0;  // the status that the gateway refuses it with; 0: it is spoken
  std::unique_ptr<ClientDriver> (*open)(std::unique_ptr<Stream> stream);
};
struct HostProtocol {
  std::string_view name;
  Feature feature;
  bool is_http2 = false;  // the gateway is told so
  std::unique_ptr<HostDriver> (*open)(std::unique_ptr<Stream> stream);
};
std::span<const ClientProtocol> client_protocols();
std::span<const HostProtocol> host_protocols();

std::unique_ptr<ClientDriver> open_h2_client(std::unique_ptr<Stream> stream);
std::unique_ptr<HostDriver> open_h2_host(std::unique_ptr<Stream> stream);

// What is said on a connection that was upgraded: the client this, the host the same behind an "echo ".
inline constexpr std::string_view kTunnelled = "ping";

}  // namespace sluice::simulation
