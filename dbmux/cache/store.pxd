# The types with which store.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.cache.eviction cimport Entry, Queue
from dbmux.cache.tables cimport Table, capture, is_current

cdef int EXPIRED, INVALIDATED, REPLACED, REMOVED, ROOM, SHARE
cdef int SHARD_SHIFT, EVICTIONS_PER_PUT, SWEPT_PER_PUT, MOST_SWEPT_PER_PUT
cdef long long ENTRY_BYTES

@cython.final
cdef class Store:
    cdef readonly long long bytes
    cdef public long long capacity
    cdef public long long max_entry_bytes
    cdef list _gone
    cdef object _clock
    cdef readonly tuple shards
    cdef long long _mask
    cdef Queue _main
    cdef list _queues
    cdef Py_ssize_t _turn
    cdef long long _cleared

    @cython.locals(shard=dict, entry=Entry)
    cpdef Entry get(self, bytes key)
    @cython.locals(entry=Entry, now=double, dropped=Py_ssize_t)
    cpdef Py_ssize_t sweep(self, Py_ssize_t steps) except -1
    @cython.locals(queue=Queue, victim=Entry)
    cdef _put(self, Entry entry)
    @cython.locals(table=Table, share=Queue, least=Queue)
    cdef Queue _queue(self, tuple tables)
    @cython.locals(victim=Entry, reason=int)
    cdef bint _make_room(self, Queue queue, long long size) except -1
    @cython.locals(queue=Queue, fullest=Queue)
    cdef Queue _fullest(self)
    @cython.locals(shard=dict, table=Table)
    cdef _add(self, Entry entry, Queue queue)
    @cython.locals(shard=dict, entry=Entry)
    cdef _remove(self, bytes key, int reason)
    @cython.locals(shard=dict, table=Table, queue=Queue)
    cdef _drop(self, Entry entry, int reason)
