// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include "ring/open_file.h"

namespace tapring {

/// Whether a user, the owner of an image, could open the file: by its permissions and by those of
/// all directories above it. Root could. Of permissions for groups only those count that all others
/// have too, as who is in a group is not looked up; access control lists do not count. A user that
/// has no name in our user namespace (systemd.exec(5), PrivateUsers=) has what all others have.
bool owner_could_open(uid_t owner, const FoundFile& file, bool writes);

}  // namespace tapring
