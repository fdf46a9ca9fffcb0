#pragma once

namespace pgcurfew {

/// Opens /dev/null in place of standard descriptors that we were started without: otherwise the next file or
/// socket to be opened would be one of them, and the log would go there.
void fill_standard_descriptors();

/// From now on a write to a pipe whose reader is gone fails and does not end the process, and one to a
/// terminal in whose background we are does not stop it. Commands that we start are not concerned.
void outlive_readers();

}  // namespace pgcurfew
