"""The client library by its C ABI. Calls wait outside of Python's lock, so threads read at once."""

import ctypes
import os

ANSWER_BYTES = 64 * 1024  # of an object that is got whole
NOT_FOUND = -2


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("node", ctypes.c_char_p),
                ("token_file", ctypes.c_char_p), ("timeout_ms", ctypes.c_uint32),
                ("connections", ctypes.c_uint32), ("pin_bytes", ctypes.c_uint64),
                ("no_shared_memory", ctypes.c_uint32)]


class _Get(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char_p), ("into", ctypes.c_void_p), ("size", ctypes.c_uint64),
                ("offset", ctypes.c_uint64), ("result", ctypes.c_int64)]


class _View(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_uint64), ("handle", ctypes.c_uint64)]


class Failed(Exception):
    def __init__(self, status, what):
        super().__init__(what)
        self.status = status


_library = None
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


def same(left, right, size):
    """Of two addresses."""
    return _memcmp(left, right, size) == 0


def load(path):
    global _library
    library = ctypes.CDLL(os.fspath(path))
    library.forebay_last_error.restype = ctypes.c_char_p
    library.forebay_read.restype = ctypes.c_int64
    library.forebay_read.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64,
                                     ctypes.c_uint64]
    library.forebay_view_at.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64,
                                        ctypes.c_void_p]
    library.forebay_release.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.forebay_get_many.restype = ctypes.c_int64
    library.forebay_get_many.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    library.forebay_put.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p,
                                    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p]
    library.forebay_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    library.forebay_close.argtypes = [ctypes.c_void_p]
    library.forebay_disconnect.argtypes = [ctypes.c_void_p]
    _library = library


def _error(status, what):
    return Failed(status, f"{what}: {_library.forebay_last_error().decode(errors='replace')}")


class Client:
    """Of one node; for one thread."""

    def __init__(self, node, timeout_s=30.0, shared_memory=True):
        options = _Options(ctypes.sizeof(_Options), node.encode(), None, int(timeout_s * 1000), 0,
                           0, 0 if shared_memory else 1)
        self.handle = ctypes.c_void_p()
        status = _library.forebay_connect(ctypes.byref(options), ctypes.byref(self.handle))
        if status != 0:
            raise _error(status, f"connect {node}")
        self.answer = ctypes.create_string_buffer(ANSWER_BYTES)

    def close(self):
        if self.handle:
            _library.forebay_disconnect(self.handle)
        self.handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def open(self, path):
        file = ctypes.c_void_p()
        status = _library.forebay_open(self.handle, path.encode(), ctypes.byref(file))
        if status != 0:
            raise _error(status, f"open {path}")
        return File(path, file)

    def get(self, path):
        """All of a small object; None where it does not exist."""
        item = _Get(path.encode(), ctypes.addressof(self.answer), ANSWER_BYTES, 0, 0)
        done = _library.forebay_get_many(self.handle, ctypes.byref(item), 1)
        if done == 1:
            return self.answer.raw[:item.result]
        if item.result == NOT_FOUND:
            return None
        raise _error(item.result, f"get {path}")

    def put(self, path, data):
        status = _library.forebay_put(self.handle, path.encode(), data, len(data), None, None)
        if status != 0:
            raise _error(status, f"put {path}")


class File:
    def __init__(self, path, handle):
        self.path, self.handle = path, handle

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _library.forebay_close(self.handle)

    def read(self, address, size, offset):
        got = _library.forebay_read(self.handle, address, size, offset)
        if got < 0:
            raise _error(got, f"read {self.path}")
        return got

    def look(self, size, offset):
        """How many bytes from there on were there to be seen, where they lie."""
        view = _View()
        status = _library.forebay_view_at(self.handle, offset, size, ctypes.byref(view))
        if status != 0:
            raise _error(status, f"view {self.path}")
        size = view.size
        _library.forebay_release(self.handle, ctypes.byref(view))
        return size
