"""Rows of pairs that hold one entry only: most likes and shares are the first of their user and video."""

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_SetItem
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    ROW_VERSION = 1
    MOST_TEXT = 255
    FIXED = 3 + 1 + 3 * 9  # version, two arrays, one of six; three numbers of up to nine bytes


def use(dict_of_rows, list keys):
    """Makes the keys the newest of the dictionary; -> those that were not there, with empty rows now."""
    cdef PyObject* found
    missing = []
    for key in keys:
        found = PyDict_GetItemWithError(dict_of_rows, key)
        if found == NULL:
            missing.append(key)
            PyDict_SetItem(dict_of_rows, key, b"")
        else:
            row = <object>found
            PyDict_DelItem(dict_of_rows, key)
            PyDict_SetItem(dict_of_rows, key, row)
    return missing


cdef inline char* put_number(char* to, uint64_t number) noexcept:
    """MessagePack of an unsigned number, the shortest form."""
    cdef int size, i
    cdef unsigned char* out = <unsigned char*>to
    if number < 0x80:
        out[0] = <unsigned char>number
        return to + 1
    if number <= 0xFF:
        out[0], size = 0xCC, 1
    elif number <= 0xFFFF:
        out[0], size = 0xCD, 2
    elif number <= 0xFFFFFFFF:
        out[0], size = 0xCE, 4
    else:
        out[0], size = 0xCF, 8
    for i in range(size):
        out[1 + i] = <unsigned char>(number >> (8 * (size - 1 - i)))
    return to + 1 + size


cdef inline char* put_text(char* to, const char* text, Py_ssize_t size) noexcept:
    if size < 32:
        to[0] = <char>(0xA0 | size)
        to += 1
    else:
        to[0], to[1] = <char>0xD9, <char>size
        to += 2
    memcpy(to, text, size)
    return to + size


cdef bytes row_of(int action, str channel, int64_t at_ms, uint64_t id64, int64_t flags, str region):
    """The only entry as a row; None: it has an unusual form."""
    cdef char row[FIXED + 3 + 2 * (2 + MOST_TEXT)]
    cdef Py_ssize_t channel_size, region_size
    cdef const char* channel_text = PyUnicode_AsUTF8AndSize(channel, &channel_size)
    cdef const char* region_text = PyUnicode_AsUTF8AndSize(region, &region_size)
    if at_ms < 0 or flags < 0 or channel_size > MOST_TEXT or region_size > MOST_TEXT:
        return None
    row[0], row[1], row[2], row[3] = ROW_VERSION, <char>0x91, <char>0x91, <char>0x96
    cdef char* to = put_number(row + 4, <uint64_t>action)
    to = put_text(to, channel_text, channel_size)
    to = put_number(to, <uint64_t>at_ms)
    to = put_number(to, id64)
    to = put_number(to, <uint64_t>flags)
    to = put_text(to, region_text, region_size)
    return PyBytes_FromStringAndSize(row, to - row)


def fold(
    dict_of_rows, set dirty, list keys, int action, list channels, int64_t[::1] at_ms, uint64_t[::1] ids,
    int64_t[::1] flags, int64_t[::1] regions, list names, unsigned char[::1] won, other,
):
    """Event after event: `won` says which are new winners; `other(i)` folds those whose pair has a row already."""
    cdef Py_ssize_t i, n = len(keys)
    cdef PyObject* found
    cdef bytes row
    if not n == len(channels) == len(at_ms) == len(ids) == len(flags) == len(regions) == len(won):
        raise ValueError("columns must have one length")
    for i in range(n):
        found = PyDict_GetItemWithError(dict_of_rows, keys[i])
        if found == NULL:
            raise KeyError(keys[i])
        row = None
        if PyBytes_GET_SIZE(<object>found) == 0:
            row = row_of(action, channels[i], at_ms[i], ids[i], flags[i], names[regions[i]])
        if row is None:
            won[i] = other(i)
        else:
            PyDict_SetItem(dict_of_rows, keys[i], row)
            dirty.add(keys[i])
            won[i] = 1
