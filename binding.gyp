{
  # The addon links against nothing of llama.cpp: it resolves the C API at run time from the
  # engine directory it is given, so one binary serves the CPU, CUDA, Vulkan and Metal engines.
  "variables": {
    # Made here and not by an action: what gyp writes for actions breaks in paths with spaces.
    "engine_headers": "<!(node native/extract-headers.mjs build/engine-headers)"
  },
  "targets": [
    {
      "target_name": "llama_ets",
      "sources": [
        "native/attention/attend.cc",
        "native/attention/attention_kernel.cc",
        "native/attention/attention_node.cc",
        "native/attention/attention_test.cc",
        "native/attention/graph_attention.cc",
        "native/attention/no_attention.cc",
        "native/attention/shared_attention.cc",
        "native/decode/answer_grammar.cc",
        "native/decode/batch.cc",
        "native/decode/block_end.cc",
        "native/decode/classification.cc",
        "native/decode/decoder.cc",
        "native/decode/device_logits.cc",
        "native/decode/engine_context.cc",
        "native/decode/expansion.cc",
        "native/decode/forked_texts.cc",
        "native/decode/generation.cc",
        "native/decode/prefilling.cc",
        "native/decode/scheduler.cc",
        "native/decode/scoring.cc",
        "native/decode/session.cc",
        "native/decode/text_end.cc",
        "native/decode/thoughts.cc",
        "native/decode/token_text.cc",
        "native/decode/thread_team.cc",
        "native/decode/token_draws.cc",
        "native/diffusion/denoising.cc",
        "native/diffusion/denoising_passes.cc",
        "native/diffusion/denoising_schedule.cc",
        "native/diffusion/denoising_search.cc",
        "native/diffusion/diffusion_session.cc",
        "native/diffusion/state_reader.cc",
        "native/diffusion/state_scoring.cc",
        "native/diffusion/unmasking.cc",
        "native/files/adapter_file.cc",
        "native/files/engine.cc",
        "native/files/file_lock.cc",
        "native/files/gguf_file.cc",
        "native/files/gguf_header.cc",
        "native/files/model_file.cc",
        "native/files/renamed_model.cc",
        "native/files/split_model.cc",
        "native/text/deep_stack.cc",
        "native/text/tokenized.cc",
        "native/js/addon.cc",
        "native/js/arguments.cc",
        "native/js/context.cc",
        "native/js/context_values.cc",
        "native/js/diffusion_context.cc",
        "native/js/diffusion_values.cc",
        "native/js/engine_thread.cc",
        "native/js/generation_values.cc",
        "native/js/held_children.cc",
        "native/js/model.cc",
        "native/js/model_loading.cc",
        "native/js/saved_sequence.cc",
        "native/sampling/constrained_draw.cc",
        "native/sampling/grammar.cc",
        "native/sampling/grammar_reader.cc",
        "native/sampling/grammar_rules.cc",
        "native/sampling/row_kernels.cc",
        "native/sampling/row_sampler.cc",
        "native/sampling/sampler.cc",
        "native/sampling/support.cc"
      ],
      "include_dirs": [
        "native",
        "<!(node -p \"require('node-addon-api').include_dir\")",
        "<(engine_headers)",
        "<(engine_headers)/include",
        "<(engine_headers)/ggml/include",
        "<(engine_headers)/ggml/src"
      ],
      # A worker that is terminated takes no exception: what throws one then would end the process.
      "defines": [
        "NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17"],
      # The sampler's loops vectorise with -fopenmp-simd and -fno-trapping-math; neither changes what
      # NaN and infinities do, and no OpenMP library is linked.
      "cflags_cc": [
        "-std=c++17", "-fexceptions", "-O3", "-fopenmp-simd", "-fno-trapping-math",
        "-Wall", "-Wextra"
      ],
      "conditions": [
        # Only where we build: a compiler of tomorrow must not fail an installation by a new warning.
        ["<!(node -p \"Number(process.env.LLAMA_ETS_WERROR === '1')\")==1", {
          "cflags_cc": ["-Werror"]
        }],
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
  ],
  "conditions": [
    # What the engine's libllama-common does with text runs in a process of its own, with limits that
    # Windows doesn't have in this form.
    ["OS!='win'", {
      "targets": [
        {
          "target_name": "llama_ets_text",
          "type": "loadable_module",
          "sources": ["native/text/text_requests.cc"],
          "include_dirs": [
            "native",
            "<(engine_headers)/common",
            "<(engine_headers)/include",
            "<(engine_headers)/ggml/include"
          ],
          "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
          # llama.cpp's headers have functions that not every file uses.
          "cflags_cc": [
            "-std=c++17", "-fexceptions", "-frtti", "-fvisibility=hidden",
            "-Wall", "-Wextra", "-Wno-unused-function"
          ],
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
            "GCC_ENABLE_CPP_RTTI": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "13.0"
          }
        },
        {
          "target_name": "llama_ets_text_process",
          "type": "executable",
          "sources": ["native/text/text_process.cc"],
          "include_dirs": ["native"],
          "cflags_cc!": ["-std=gnu++17"],
          "cflags_cc": ["-std=c++17", "-Wall", "-Wextra"],
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "MACOSX_DEPLOYMENT_TARGET": "13.0"
          },
          "conditions": [["OS=='linux'", { "libraries": ["-ldl"] }]]
        }
      ]
    }]
  ]
}
