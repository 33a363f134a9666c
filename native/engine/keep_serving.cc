// Compiled into ggml-rpc-server: it would die of SIGPIPE, and all that it holds with it, when a
// client goes while the server answers. With the signal ignored, the write fails and it serves the
// next one.
#ifndef _WIN32
#include <csignal>

static const auto before = std::signal(SIGPIPE, SIG_IGN);
#endif
