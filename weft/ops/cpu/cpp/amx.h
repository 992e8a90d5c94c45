// Whether the registers of AMX may be used.
#pragma once

namespace weft {

// Asks the system, once, to let this process use them. Null where it does; else why they cannot be used.
const char* refusal_of_amx();

}  // namespace weft
