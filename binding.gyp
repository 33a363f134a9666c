{
  # The addon links against nothing of llama.cpp: it resolves the C API at run time from the
  # engine directory it is given, so one binary serves the CPU, CUDA, Vulkan and Metal engines.
  "targets": [
    {
      "target_name": "engine_headers",
      "type": "none",
      "actions": [
        {
          "action_name": "extract_engine_headers",
          "inputs": ["native/extract-headers.mjs", "package.json"],
          "outputs": ["<(SHARED_INTERMEDIATE_DIR)/engine/release.h"],
          "action": ["node", "native/extract-headers.mjs", "<(SHARED_INTERMEDIATE_DIR)/engine"]
        }
      ]
    },
    {
      "target_name": "llama_ets",
      "dependencies": ["engine_headers"],
      "sources": [
        "native/addon.cc",
        "native/arguments.cc",
        "native/attend.cc",
        "native/attention_kernel.cc",
        "native/batch.cc",
        "native/classification.cc",
        "native/context.cc",
        "native/context_values.cc",
        "native/decoder.cc",
        "native/denoising.cc",
        "native/denoising_passes.cc",
        "native/denoising_schedule.cc",
        "native/denoising_search.cc",
        "native/diffusion_context.cc",
        "native/diffusion_session.cc",
        "native/diffusion_values.cc",
        "native/engine.cc",
        "native/engine_context.cc",
        "native/expansion.cc",
        "native/file_lock.cc",
        "native/generation.cc",
        "native/gguf_header.cc",
        "native/graph_attention.cc",
        "native/model.cc",
        "native/model_file.cc",
        "native/model_loading.cc",
        "native/renamed_model.cc",
        "native/row_kernels.cc",
        "native/row_sampler.cc",
        "native/sampler.cc",
        "native/scoring.cc",
        "native/session.cc",
        "native/shared_attention.cc",
        "native/state_reader.cc",
        "native/state_scoring.cc",
        "native/text_end.cc",
        "native/thread_team.cc",
        "native/turn.cc",
        "native/unmasking.cc",
        "native/worker.cc"
      ],
      "include_dirs": [
        "<!@(node -p \"require('node-addon-api').include\")",
        "<(SHARED_INTERMEDIATE_DIR)/engine",
        "<(SHARED_INTERMEDIATE_DIR)/engine/include",
        "<(SHARED_INTERMEDIATE_DIR)/engine/ggml/include",
        "<(SHARED_INTERMEDIATE_DIR)/engine/ggml/src"
      ],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17"],
      # The sampler's loops vectorise with -fopenmp-simd and -fno-trapping-math; neither changes what
      # NaN and infinities do, and no OpenMP library is linked.
      "cflags_cc": [
        "-std=c++17", "-fexceptions", "-O3", "-fopenmp-simd", "-fno-trapping-math",
        "-Wall", "-Wextra", "-Wno-missing-field-initializers"
      ],
      "conditions": [
        # The engine keeps pointers into the addon, which therefore stays when a worker thread ends.
        ["OS=='linux'", { "libraries": ["-ldl", "-lpthread"], "ldflags": ["-Wl,-z,nodelete"] }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "GCC_OPTIMIZATION_LEVEL": "3",
            "OTHER_CPLUSPLUSFLAGS": ["-fopenmp-simd", "-fno-trapping-math"],
            "MACOSX_DEPLOYMENT_TARGET": "13.0"
          }
        }],
        ["OS=='win'", {
          "msvs_settings": {
            "VCCLCompilerTool": { "ExceptionHandling": 1, "AdditionalOptions": ["/std:c++17", "/O2"] }
          }
        }]
      ]
    }
  ]
}
