#include "pipeline/rescue.h"

#include "base/log.h"

namespace sluice {
namespace {

// Of the client's side: its body broke off, was malformed, too slow or too long.
Response downstream_answer(Request& request, const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid: {
      request.info.set(ResponseFlag::downstream_protocol_error);
      Response response = local_reply(request, 400, "Bad Request", "http1.codec_error");
      response.close = true;
      return response;
    }
    case ErrorKind::timeout: {
      request.info.set(ResponseFlag::stream_idle_timeout);
      Response response = local_reply(request, 408, "stream timeout", "stream_idle_timeout");
      response.close = true;
      return response;
    }
    case ErrorKind::limit: return local_reply(request, 413, "Payload Too Large", "request_payload_too_large");
    default: {  // it went away: nobody will read this
      request.info.set(ResponseFlag::downstream_connection_ended);
      Response response = local_reply(request, 400, "", "downstream_remote_disconnect");
      response.close = true;
      return response;
    }
  }
}

// Of the upstream's side, behind its head: the response can no longer be trusted.
Response upstream_answer(Request& request, const Error& error) {
  // A policy that changed meanwhile; who cut it off has said which.
  if (error.kind == ErrorKind::denied)
    return local_reply(request, 403, request.arena.copy(error.message), request.info.details);
  if (error.kind == ErrorKind::timeout && request.info.has(ResponseFlag::upstream_timeout))
    return local_reply(request, 504, "upstream request timeout", "response_timeout");
  if (error.kind == ErrorKind::timeout) {
    request.info.set(ResponseFlag::stream_idle_timeout);
    return local_reply(request, 504, "stream timeout", "stream_idle_timeout");
  }
  request.info.set(error.kind == ErrorKind::invalid ? ResponseFlag::upstream_protocol_error
                                                    : ResponseFlag::upstream_connection_ended);
  if (error.kind == ErrorKind::limit)
    return local_reply(request, 500, "Internal Server Error", "response_payload_too_large");
  return local_reply(request, 502, "the upstream's response broke off or could not be read",
                     "upstream_response_broken");
}

}  // namespace

Response rescue(Request& request, const Error& error) {
  if (error.kind == ErrorKind::cancelled) {
    Response response = local_reply(request, 500, "", "downstream_remote_disconnect");
    response.close = true;
    return response;
  }
  if (error.side == Side::downstream) return downstream_answer(request, error);
  if (error.side == Side::upstream) return upstream_answer(request, error);
  if (error.kind == ErrorKind::limit)
    return local_reply(request, 500, "Internal Server Error", "response_payload_too_large");
  if (error.kind == ErrorKind::overload)
    return local_reply(request, 503, "too many large bodies at once, try again later", "body_memory_exhausted");
  static log::Site site{LogLevel::error, "request", "failed inside the gateway"};
  if (site.admits()) site.write({{"path", request.path}, {"error", error.message}});
  return local_reply(request, 500, "Internal Server Error", "internal_error");
}

}  // namespace sluice
