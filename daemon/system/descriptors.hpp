#pragma once

namespace pgcurfew {

/// Opens /dev/null for missing standard descriptors: otherwise the next opened file or socket would become
/// one of them, and the log would go there.
void fill_standard_descriptors();

/// From now on, a write to a pipe without a reader fails instead of ending the process, and a write to a
/// terminal from the background does not stop it. Commands that we start are not affected.
void outlive_readers();

/// Ends the process without a word to its other threads, which may be in the midst of what would be taken
/// down.
[[noreturn]] void leave_at_once(int status);

/// Others than the owner and the group cannot read files that this process creates from now on, and only the
/// owner can write to them.
void hide_new_files();

}  // namespace pgcurfew
