/**
 * The Python code that runs inside the interpreters. A program and its tests never share an interpreter.
 * The tests run in the judge and call the program's function in the candidate, with arguments and results
 * by value. So nothing that the program does to its interpreter can affect a test, and only plain data
 * counts as a result.
 */

/** Converts values to JSON, with tags for types that JSON lacks. Both interpreters use it. */
const CODEC = `
import json, math, random, sys
from decimal import Decimal
from fractions import Fraction

sys.set_int_max_str_digits(0)

class Opaque:
    """Stands for a value that isn't plain data; equal to nothing."""

def encode(value):
    if value is None or value is True or value is False: return value
    if isinstance(value, str): return str.__str__(value)
    if isinstance(value, int): return {"i": hex(value)}
    if isinstance(value, float): return {"f": float.__repr__(value)}
    if isinstance(value, complex): return {"c": [encode(value.real), encode(value.imag)]}
    if isinstance(value, list): return [encode(v) for v in value]
    if isinstance(value, tuple): return {"t": [encode(v) for v in value]}
    if isinstance(value, dict): return {"d": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, set): return {"s": [encode(v) for v in value]}
    if isinstance(value, frozenset): return {"z": [encode(v) for v in value]}
    if isinstance(value, (bytes, bytearray)): return {"b": bytes(value).hex()}
    if isinstance(value, range): return {"r": [hex(value.start), hex(value.stop), hex(value.step)]}
    if isinstance(value, Decimal): return {"m": str(value)}
    if isinstance(value, Fraction): return {"q": [hex(value.numerator), hex(value.denominator)]}
    if hasattr(value, "__next__") or type(value).__name__ in ("dict_keys", "dict_values", "dict_items"):
        items = []
        for item in value:
            if len(items) >= 100_000: return {"o": type(value).__name__}
            items.append(encode(item))
        return {"g": items}
    return {"o": type(value).__name__}

def decode(data):
    if data is None or data is True or data is False or type(data) is str: return data
    if type(data) is list: return [decode(v) for v in data]
    (tag, body), = data.items()
    if tag == "i": return int(body, 16)
    if tag == "f": return float(body)
    if tag == "c": return complex(decode(body[0]), decode(body[1]))
    if tag == "t": return tuple(decode(v) for v in body)
    if tag == "d": return {decode(k): decode(v) for k, v in body}
    if tag == "s": return {decode(v) for v in body}
    if tag == "z": return frozenset(decode(v) for v in body)
    if tag == "b": return bytes.fromhex(body)
    if tag == "r": return range(*(int(v, 16) for v in body))
    if tag == "m": return Decimal(body)
    if tag == "q": return Fraction(int(body[0], 16), int(body[1], 16))
    if tag == "g": return iter([decode(v) for v in body])
    return Opaque()
`;

/** The modules that programs often import. They are loaded once, into the memory snapshot. */
export const PRELOADED = `
import abc, ast, asyncio, bisect, cmath, collections, concurrent.futures, contextlib, copy, dataclasses, datetime, decimal, enum
import fractions, functools, hashlib, heapq, io, itertools, json, math, operator, random, re
import statistics, string, subprocess, sys, textwrap, threading, time, types, typing
`;

/**
 * Removes what leads out of the interpreter, and records attempts to use it. The actual protection comes
 * from the operating system and Node's permissions; this code makes attempts visible.
 */
const CONFINEMENT = `
import _imp, gc, importlib.machinery, os, posix, subprocess, sys

BRIDGES = ("js", "pyodide_js", "pyodide", "_pyodide", "_pyodide_core", "ctypes", "_ctypes",
           "_posixsubprocess", "_testcapi", "_testinternalcapi", "_testlimitedcapi", "_testclinic",
           "_testclinic_limited", "_xxtestfuzz", "_testbuffer", "_remote_debugging", "micropip")
FORBIDDEN = ("socket.", "subprocess.", "ctypes.", "shutil.", "tempfile.", "glob.", "pathlib.",
             "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
             "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.rmdir",
             "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate", "os.utime", "os.kill",
             "os.chdir", "os.fwalk", "os.walk", "fcntl.", "mmap.", "sqlite3.", "urllib.", "http.",
             "ftplib.", "smtplib.", "imaplib.", "poplib.", "webbrowser.", "code.__new__",
             "gc.get_objects", "gc.get_referrers", "gc.get_referents", "cpython.remote")
attempts = []

class Forbidden(PermissionError):
    pass

def forbid(what):
    attempts.append(what)
    raise Forbidden(f"{what} is not allowed here")

def watch(event, args):
    if event == "open":
        path, mode, flags = args
        if isinstance(path, int) and path in (0, 1, 2): return
        if isinstance(path, bytes): path = path.decode("utf-8", "replace")
        # What doctest's debugger looks for.
        if isinstance(path, str) and path in (".pdbrc", "/.pdbrc"): raise FileNotFoundError(path)
        # The compiler looks for the source of a faulty line.
        if path == "<program>": return
        is_library = isinstance(path, str) and path.startswith("/lib/python") and ".." not in path
        if is_library and (mode in ("r", "rb", "rt") or (mode is None and not flags & 0o3)): return
        forbid(f"open({path!r})")
    elif event == "import":
        if args[0].partition(".")[0] in BRIDGES: forbid(f"import {args[0]}")
    elif event.startswith(FORBIDDEN):
        forbid(event)

def stand_in(name):
    def forbidden(*_, **__):
        forbid(name)
    return forbidden

def unavailable(*_, **__):
    raise OSError("not available here")

def confine():
    bridges = [module for name, module in list(sys.modules.items())
               if name.partition(".")[0] in BRIDGES]
    for name in [n for n in sys.modules if n.partition(".")[0] in BRIDGES]: del sys.modules[name]
    for module in bridges:
        if isinstance(module, type(sys)): module.__dict__.clear()
    keep = ("BuiltinImporter", "FrozenImporter", "PathFinder")
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") in keep]
    sys.path[:] = [path for path in sys.path if path.endswith(".zip")]
    sys.path_importer_cache.clear()
    create = _imp.create_builtin
    def create_builtin(spec):
        return forbid(f"import {spec.name}") if spec.name in BRIDGES else create(spec)
    _imp.create_builtin = create_builtin
    _imp.create_dynamic = stand_in("a native module")
    names = [n for n in dir(os) if n.startswith(("exec", "spawn", "posix_spawn"))]
    stand_ins = {name: stand_in(f"os.{name}")
                 for name in [*names, "fork", "forkpty", "kill", "killpg", "popen", "system"]}
    # Nothing to reach by them, but memory that WebAssembly's limit doesn't count.
    stand_ins.update(pipe=unavailable, pipe2=unavailable, memfd_create=unavailable)
    for name, function in stand_ins.items():
        for module in (os, posix):
            if hasattr(module, name): setattr(module, name, function)
    subprocess.Popen.__init__ = stand_in("subprocess.Popen")
    restore()
    gc.collect()
    sys.addaudithook(watch)
`;

/**
 * Replaces parts of the standard library that honest programs use, but that Pyodide implements with its
 * removed bridges to JavaScript: sleeping, event loops, and threads, which run to their end when started.
 */
const STANDARD_LIBRARY = `
import asyncio, asyncio.events, asyncio.runners, concurrent.futures, threading, time

def sleep(seconds):
    end = time.monotonic() + seconds
    if seconds < 0: raise ValueError("sleep length must be non-negative")
    while time.monotonic() < end: pass

class Selector:
    """Nothing but time happens in here."""
    def select(self, timeout=None):
        if timeout is None: raise RuntimeError("the event loop waits for what never comes")
        sleep(max(0, timeout))
        return []
    def close(self): pass

class EventLoop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = Selector()
    def _process_events(self, events): pass
    def _write_to_self(self): pass

class EventLoopPolicy(asyncio.events._BaseDefaultEventLoopPolicy):
    _loop_factory = EventLoop

def run(main, *, debug=None, loop_factory=None):
    with asyncio.Runner(debug=debug, loop_factory=loop_factory or EventLoop) as runner:
        return runner.run(main)

def start(thread):
    if thread._started.is_set(): raise RuntimeError("threads can only be started once")
    thread._started.set()
    try:
        thread.run()
    except BaseException:
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), thread)))

def submit(executor, function, /, *args, **kwargs):
    future = concurrent.futures.Future()
    future.set_running_or_notify_cancel()
    try:
        future.set_result(function(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)
    return future

def restore():
    time.sleep = sleep
    asyncio.run = asyncio.runners.run = run
    asyncio.new_event_loop = asyncio.events.new_event_loop = EventLoop
    asyncio.events._event_loop_policy = EventLoopPolicy()
    asyncio.events._set_running_loop(None)
    threading.Thread.start = start
    threading.Thread.join = lambda thread, timeout=None: None
    threading.Thread.is_alive = lambda thread: False
    concurrent.futures.ThreadPoolExecutor.submit = submit
`;

/** Runs one program, and then its function each time it is called. */
export const CANDIDATE = `${CODEC}${CONFINEMENT}${STANDARD_LIBRARY}
# A module of its own, where pickle and dataclasses look for what the program defines.
program = type(sys)("candidate")
sys.modules["candidate"] = program
namespace = program.__dict__
function = None

def describe(error):
    return {"type": type(error).__name__, "message": str(error)[:200]}

def serve(request):
    """One request as JSON: a program to define, or arguments to call its function with."""
    global function
    request = json.loads(request)
    try:
        if "program" in request:
            exec(compile(request["program"], "<program>", "exec"), namespace)
            function = namespace[request["entryPoint"]]
            answer = {"value": None}
        else:
            answer = {"value": encode(function(*decode(request["args"]), **decode(request["kwargs"])))}
    except BaseException as error:
        answer = {"error": describe(error)}
    return json.dumps({**answer, "attempts": attempts[:8]})
`;

/** Runs tests whose \`candidate\` lives in another interpreter. */
export const JUDGE = `${CODEC}
import builtins

class Ended(BaseException):
    """The program has ended its interpreter, or was stopped."""

def raise_as(error):
    kind = getattr(builtins, error["type"], None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            raised = kind(error["message"])
        except TypeError:
            raised = RuntimeError(error["message"])
        raise raised
    if isinstance(kind, type): raise Ended(error["type"])
    raise RuntimeError(f'{error["type"]}: {error["message"]}')

def candidate(*args, **kwargs):
    call = json.dumps({"args": encode(list(args)), "kwargs": encode(kwargs)})
    answer = json.loads(call_candidate(call))
    if "error" in answer: raise_as(answer["error"])
    if "value" not in answer: raise Ended()
    return decode(answer["value"])

def serve(request):
    """One request as JSON: tests to run, with the verdict as the answer."""
    request = json.loads(request)
    random.seed(0)
    namespace = {"__name__": "judge"}
    try:
        exec(compile(request["setup"], "<setup>", "exec"), namespace)
        namespace[request["entryPoint"]] = candidate
        exec(compile(request["tests"], "<tests>", "exec"), namespace)
        if callable(namespace.get("check")): namespace["check"](candidate)
    except BaseException as error:
        return json.dumps({"passed": False, "detail": f"{type(error).__name__}: {error}"[:300]})
    return json.dumps({"passed": True, "detail": ""})
`;
