# The types with which store.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.cache.eviction cimport Entry, Ghosts, Room, count_use
from dbmux.cache.tables cimport Table, capture, is_current

cdef int EXPIRED, INVALIDATED, REPLACED, ROOM, SHARE
cdef int SHARD_SHIFT, MOST_FOR_ONE, SWEPT_PER_PUT, MOST_SWEPT_PER_PUT
cdef long long ENTRY_BYTES

@cython.final
cdef class Store:
    cdef readonly long long bytes
    cdef readonly long long capacity
    cdef list _gone
    cdef readonly Ghosts ghosts
    cdef object _clock
    cdef readonly tuple shards
    cdef long long _mask
    cdef Room _common
    cdef list _rooms
    cdef Py_ssize_t _turn

    @cython.locals(shard=dict, entry=Entry)
    cpdef Entry get(self, bytes key)
    @cython.locals(entry=Entry, now=double, dropped=Py_ssize_t)
    cpdef Py_ssize_t sweep(self, Py_ssize_t steps) except -1
    @cython.locals(room=Room, victim=Entry)
    cdef _put(self, Entry entry)
    @cython.locals(table=Table, share=Room, least=Room)
    cdef Room _room(self, tuple tables)
    cdef bint _make_room(self, Room room, long long size) except -1
    @cython.locals(victim=Entry)
    cdef bint _free(self, Room room, long long wanted, int reason) except -1
    @cython.locals(room=Room, fullest=Room)
    cdef Room _fullest(self)
    @cython.locals(shard=dict, table=Table)
    cdef _add(self, Entry entry, Room room)
    @cython.locals(shard=dict, entry=Entry)
    cdef _replace(self, bytes key)
    @cython.locals(shard=dict, table=Table, room=Room)
    cdef _drop(self, Entry entry, int reason)
