// Compiled into ggml-rpc-server. Without this, SIGPIPE would end the server, and lose all that it
// holds, when a client disconnects while the server answers. With the signal ignored, the write
// fails, and the server serves the next client.
#ifndef _WIN32
#include <csignal>

static const auto before = std::signal(SIGPIPE, SIG_IGN);
#endif
