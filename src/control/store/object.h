// The two forms of one configuration object.
//
// A *body* is what a user wrote and a file keeps: apiVersion, kind, metadata (name, namespace, labels, annotations) and
// the rest of the document. A *view* is what the API shows: the body plus what is derived (uid, creationTimestamp,
// generation, resourceVersion) and the status. Derived fields and status are never part of a body.
#pragma once

#include "config/diagnostics.h"
#include "config/node.h"
#include "control/store/kinds.h"

namespace sluice {

// kind, namespace and name of a body; "" where they are absent.
ObjectKey key_of(const Node& body);

// Brings a body into its one form: derived metadata, managedFields and status are dropped, what says "not set" in
// metadata is removed, a Secret's stringData moves into data.
void normalize(Node& body);

// Everything but metadata: a change of it counts up `metadata.generation`.
bool same_spec(const Node& a, const Node& b);

}  // namespace sluice
