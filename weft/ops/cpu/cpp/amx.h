// Whether the registers of AMX may be used.
#pragma once

namespace weft {

// Asks the system to let this process use them, once. Null where it does; else why they cannot be used.
const char* why_no_amx();

}  // namespace weft
