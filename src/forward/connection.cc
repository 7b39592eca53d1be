#include "forward/connection.h"

#include <algorithm>

namespace sluice {

namespace {

bool is_among(std::span<const SocketAddress> addresses, const SocketAddress& wanted) {
  return std::ranges::find(addresses, wanted) != addresses.end();
}

}  // namespace

std::unique_ptr<Stream> PoolTls::connect(std::unique_ptr<Stream> below, UpstreamProtocol asked) {
  static constexpr std::string_view kAll[] = {"h2", "http/1.1"};
  std::span<const std::string_view> offered = kAll;
  if (offer_ == Offer::asked) offered = offered.subspan(asked == UpstreamProtocol::http2 ? 0 : 1, 1);
  return connect(std::move(below), offered);
}

std::unique_ptr<Stream> PoolTls::connect_for_bytes(std::unique_ptr<Stream> below) {
  return connect(std::move(below), {});
}

std::unique_ptr<Stream> PoolTls::connect(std::unique_ptr<Stream> below, std::span<const std::string_view> alpn) {
  return tls_connect(std::move(below), context_, {.name = name_, .certificate_name = certificate_name_, .alpn = alpn},
                     &sessions_);
}

ConnectionPlace::ConnectionPlace(ConnectionPool& pool) : pool_(pool) {
  ++pool_.open_;
  pool_.connections.opened();
  pool_.cluster->metrics.connections_active->add(1);
}

ConnectionPlace::~ConnectionPlace() {
  --pool_.open_;
  pool_.connections.closed();
  pool_.cluster->metrics.connections_active->add(-1);
  pool_.tell_next();
}

AttemptPlace::AttemptPlace(ConnectionPool& pool) : connections_(pool.connections), place_(pool) {
  connections_.attempt_began();
}

AttemptPlace::~AttemptPlace() {
  connections_.attempt_ended();
}

UpstreamConnection::UpstreamConnection(ConnectionPool& p, const SocketAddress& a)
    : address(a), address_text(a.to_string()), pool(p), place_(p) {
  pool.cluster->metrics.connections->add();
}

void UpstreamConnection::connected(const SocketAddress& to, std::unique_ptr<ClientSession> on) {
  if (address != to) {
    address = to;
    address_text = to.to_string();
  }
  session = std::move(on);
  local_text = session->local_address().to_string();
  pool.expects_shared_ = session->multiplexes();
  if (!session->multiplexes()) return;
  pool.cluster->metrics.http2_connections->add();
  settling_ = true;
  ++pool.settling_;
  pool.share(*this);
}

void EndUse::operator()(UpstreamConnection* connection) const {
  if (connection->is_shared())
    connection->pool.leave(*connection);
  else
    delete connection;
}

void UpstreamConnection::wake() {
  pool.take_out(*this).reset();
}

void UpstreamConnection::Roomier::wake() {
  connection.pool.settle(connection);
  connection.pool.tell_next();
}

void UpstreamConnection::IdleExpiry::wake() {
  connection.wake();
}

ConnectionPool::~ConnectionPool() {
  while (first_) take_out(*first_).reset();
  CHECK(open_ == 0);
}

ConnectionPool::UnderWay::UnderWay(ConnectionPool& pool, std::string_view place) : place_(place) {
  enter(pool);
}

ConnectionPool::UnderWay::~UnderWay() {
  leave();
}

void ConnectionPool::UnderWay::move_to(ConnectionPool& pool) {
  leave();
  enter(pool);
}

void ConnectionPool::UnderWay::enter(ConnectionPool& pool) {
  pool_ = &pool;
  pool.request_begins();
  next_ = pool.under_way_;
  if (next_) next_->previous_ = this;
  pool.under_way_ = this;
}

void ConnectionPool::UnderWay::leave() {
  (previous_ ? previous_->next_ : pool_->under_way_) = next_;
  if (next_) next_->previous_ = previous_;
  next_ = previous_ = nullptr;
  pool_->request_ends();
}

void ConnectionPool::link(UpstreamConnection*& first, UpstreamConnection& connection) {
  connection.next_ = first;
  if (first) first->previous_ = &connection;
  first = &connection;
}

void ConnectionPool::unlink(UpstreamConnection*& first, UpstreamConnection& connection) {
  (connection.previous_ ? connection.previous_->next_ : first) = connection.next_;
  if (connection.next_) connection.next_->previous_ = connection.previous_;
  connection.next_ = connection.previous_ = nullptr;
}

std::unique_ptr<UpstreamConnection> ConnectionPool::take_out(UpstreamConnection& connection) {
  unlink(first_, connection);
  --idle_;
  connections.remove_idle(connection);
  connection.idle_timer_.disarm();
  connection.session->when_disturbed(nullptr);
  return std::unique_ptr<UpstreamConnection>(&connection);
}

void ConnectionPool::share(UpstreamConnection& connection) {
  connection.users_ = 1;
  link(first_shared_, connection);
  connection.session->when_roomier(&connection.roomier_);
}

// The last one out leaves it idle. What must not have new streams ends with those that it has.
void ConnectionPool::leave(UpstreamConnection& connection) {
  if (--connection.users_ > 0) return tell_next();
  unlink(first_shared_, connection);
  connection.session->when_roomier(nullptr);
  settle(connection);
  make_idle(std::unique_ptr<UpstreamConnection>(&connection));
}

// F16: bytes that came before a request are no answer to it, but to somebody else's, perhaps one that was smuggled in
// behind it. They make an event, and wake() closes the connection, or is_silent() tells where the event is still to be
// handled.
//
// So a connection that is taken was empty when this turn began, or later, when the last answer on it was read. Bytes
// that come while the turn lasts come after the request has, and would have met it on the wire in a faster gateway:
// no look can tell them from its answer, as nothing in HTTP/1.1 says which request an answer is for.
bool ConnectionPool::fits(const UpstreamConnection& connection, std::span<const SocketAddress> allowed,
                          UpstreamProtocol protocol, std::string_view introduction) const {
  if (!is_among(allowed, connection.address) || connection.introduction != introduction) return false;
  return cluster->protocol != UpstreamProtocol::as_client || connection.made_for == protocol;
}

ConnectionUse ConnectionPool::take(std::span<const SocketAddress> allowed, UpstreamProtocol protocol,
                                   std::string_view introduction) {
  for (UpstreamConnection* connection = first_shared_; connection; connection = connection->next_) {
    if (connection->session->capacity() == 0 || !fits(*connection, allowed, protocol, introduction)) continue;
    ++connection->users_;
    return ConnectionUse(connection);
  }
  for (UpstreamConnection* connection = first_; connection;) {
    UpstreamConnection* const next = connection->next_;
    if (fits(*connection, allowed, protocol, introduction)) {
      std::unique_ptr<UpstreamConnection> taken = take_out(*connection);
      // In this order: what has come may be that it takes no more requests (RFC 9113 5.1.2).
      if (taken->session->is_silent() && taken->session->capacity() > 0) {
        if (taken->session->multiplexes()) share(*taken);
        return ConnectionUse(taken.release());
      }
    }
    connection = next;
  }
  return nullptr;
}

void ConnectionPool::keep(ConnectionUse connection) {
  if (connection->is_shared()) return;  // as its use ends
  make_idle(std::unique_ptr<UpstreamConnection>(connection.release()));
}

void ConnectionPool::make_idle(std::unique_ptr<UpstreamConnection> connection) {
  if (allowed_ && !is_among(*allowed_, connection->address)) return;
  if (connection->session->capacity() == 0) return;
  if (!connection->session->is_silent()) return;  // F16: bytes nobody asked for, or its end
  UpstreamConnection* kept = connection.release();
  link(first_, *kept);
  ++idle_;
  kept->idle_since_ = loop.now();
  connections.add_idle(*kept);
  kept->session->when_disturbed(kept);
  kept->idle_timer_.arm(loop, later(loop.now(), cluster->idle_timeout), kept->expiry_);
  tell_next();
}

void ConnectionPool::tell_next() {
  const auto next = std::ranges::find(pending_, false, &Pending::told_);
  if (next == pending_.end()) return;
  (*next)->told_ = true;
  (*next)->freed_.notify(loop);
}

ConnectionPool::Pending::Pending(ConnectionPool& pool)
    : pool_(pool), place_(pool.pending_.insert(pool.pending_.end(), this)) {
  pool_.cluster->metrics.pending_active->add(1);
}

ConnectionPool::Pending::~Pending() {
  pool_.cluster->metrics.pending_active->add(-1);
  pool_.pending_.erase(place_);
  if (told_) pool_.tell_next();  // it may have left without using what it was told of
}

Event::Await ConnectionPool::Pending::until_free(SteadyTime deadline) {
  told_ = false;
  return freed_.wait(pool_.loop, deadline);
}

ConnectionPool::Connecting::~Connecting() {
  --pool_.connecting_;
  if (pool_.settling_ == 0) pool_.tell_joining(pool_.connecting_ == 0 ? why_ : std::nullopt);
}

void ConnectionPool::settle(UpstreamConnection& connection) {
  if (!std::exchange(connection.settling_, false)) return;
  --settling_;
  tell_joining(std::nullopt);
}

void ConnectionPool::tell_joining(const std::optional<Error>& why) {
  for (Joining* one : joining_) {
    if (why) one->why_ = why;
    one->told_.notify(loop);
  }
}

ConnectionPool::Joining::Joining(ConnectionPool& pool)
    : pool_(pool), place_(pool.joining_.insert(pool.joining_.end(), this)) {
  pool_.cluster->metrics.pending_active->add(1);
}

ConnectionPool::Joining::~Joining() {
  pool_.cluster->metrics.pending_active->add(-1);
  pool_.joining_.erase(place_);
}

void ConnectionPool::drop_others(std::span<const SocketAddress> allowed) {
  allowed_.emplace(allowed);
  for (UpstreamConnection* connection = first_; connection;) {
    UpstreamConnection* next = connection->next_;
    if (!is_among(allowed, connection->address)) take_out(*connection).reset();
    connection = next;
  }
}

}  // namespace sluice
