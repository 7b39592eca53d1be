// The answer to a request whose token was refused.
#pragma once

#include "engines/jose/failure.h"
#include "pipeline/message.h"

namespace sluice::jwt {

// 401, or 403 for an audience that is not allowed; the failure's text as the body, a Bearer challenge, and details
// `jwt_authn_access_denied{Text_with_underscores}`.
Response refuse(Request& request, jose::Failure failure);

}  // namespace sluice::jwt
