#include "serve/http_server.h"

#include <algorithm>

namespace sluice {

void HttpServer::configure(std::shared_ptr<const void> keep, const ListenerConfig* config) {
  config_.set(std::move(keep), config);
  if (config->tls == chains_) return;
  chains_ = config->tls;
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    if (!would_be_met_so(connection->tls())) connection->end_now();
    connection = next;
  }
}

// What asks for no certificate takes whoever comes. A name that no chain is for any more is nobody's: its requests are
// judged by their hosts.
bool HttpServer::would_be_met_so(const TlsInfo* tls) const {
  if (!chains_) return true;
  if (!tls) return false;
  const auto chain = chains_->find(tls->sni);
  if (!chain) return true;
  const uint64_t policy = chains_->chains()[*chain].context->client_policy();
  return policy == 0 || policy == tls->client_policy;
}

// It may have shaken hands by what was in force before.
void HttpServer::take(Arrival arrival) {
  if (!would_be_met_so(arrival.stream->tls())) return config_.peek().metrics->connections_outdated->add();
  auto* connection = new Connection(*this, std::move(arrival), ++last_id_);
  link(*connection);
  connection->start();
}

void HttpServer::drain() {
  draining_ = true;
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    connection->drain();
    connection = next;
  }
}

void HttpServer::abort() {
  for (Connection* connection = first_; connection;) {
    Connection* next = connection->next_;
    if (!connection->idle() && !connection->aborted()) config_.peek().metrics->connections_forced->add();
    connection->abort();
    connection = next;
  }
}

std::string_view HttpServer::date() {
  if (const int64_t now = unix_seconds(loop.wall()); now != date_second_) {
    date_second_ = now;
    date_ = format_http_date(loop.wall());
  }
  return date_;
}

SteadyTime HttpServer::add_waiting(SteadyTime since, std::vector<Connection*>& to) const {
  SteadyTime earliest = SteadyTime::max();
  if (waiting_ == 0) return earliest;
  for (Connection* connection = first_; connection; connection = connection->next_) {
    earliest = std::min(earliest, connection->waits_since());
    if (connection->waits_since() <= since) to.push_back(connection);
  }
  return earliest;
}

void HttpServer::add_heads(SteadyTime since, std::vector<Connection*>& to) const {
  if (heads_ == 0) return;
  for (Connection* connection = first_; connection; connection = connection->next_)
    if (connection->head_since() <= since && !connection->aborted()) to.push_back(connection);
}

HttpServer::ArenaLease::ArenaLease(HttpServer& server) : server_(server) {
  if (server.arenas_.empty()) {
    arena_ = std::make_unique<Arena>();
  } else {
    arena_ = std::move(server.arenas_.back());
    server.arenas_.pop_back();
  }
}

HttpServer::ArenaLease::~ArenaLease() {
  if (server_.arenas_.size() >= kArenasKept) return;
  arena_->reset();
  server_.arenas_.push_back(std::move(arena_));
}

void HttpServer::link(Connection& connection) {
  connection.next_ = first_;
  if (first_) first_->previous_ = &connection;
  first_ = &connection;
}

void HttpServer::remove(Connection& connection) {
  (connection.previous_ ? connection.previous_->next_ : first_) = connection.next_;
  if (connection.next_) connection.next_->previous_ = connection.previous_;
  delete &connection;
}

}  // namespace sluice
