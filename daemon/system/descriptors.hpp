#pragma once

namespace pgcurfew {

/// Opens /dev/null in place of standard descriptors that we were started without: otherwise the next file or
/// socket to be opened would be one of them, and the log would go there.
void fill_standard_descriptors();

}  // namespace pgcurfew
