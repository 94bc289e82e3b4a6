# The types with which cached.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.backend.connection cimport Connection
from dbmux.cache.eviction cimport Entry
from dbmux.frontend.carried cimport Carried
from dbmux.frontend.ready cimport ReadyTenant

# Those of other modules, and nobody else's.
cdef int AUTOCOMMIT, IDLE, IN_TRANSACTION, QUERY, REPLYING, RESULT, WAITING
cdef int OTHER_STATUS, STATE_CHANGED, TEXTS

cdef class CachedTenant(ReadyTenant):
    cdef public object _advised
    cdef public object _away
    cdef public object _cache
    cdef public object _environment
    cdef public object _environment_state
    cdef public bint _is_cache_off
    cdef public object _joined
    cdef public object _key
    cdef public bint _may_lack
    cdef public object _resume
    cdef public object _scope
    cdef public object _written
    cdef public object user

    cpdef bint _recall(self, object cache, object data, Py_ssize_t start, int kind=*) except -1
    cpdef bint _recall_prepared(self, object cache, object statement, object types, object data) except -1
    @cython.locals(now=double)
    cpdef bint _serve(self, object cache, Entry entry) except -1
    @cython.locals(carried=Carried, now=double)
    cpdef _answer(self, object reply, object rows, object verdict, double started, object query)
    @cython.locals(connection=Connection)
    cpdef Connection _take_bare(self, object query)
    cpdef _send_bare(self, Connection connection, object query, object data)
    cpdef bint _consult(self, object cache, object query, object policy=*) except -1
    cpdef _find_plan(self, object cache, object query, object policy)
    cpdef bint _read_for_many(self, object cache, object key, object plan, object reading) except -1
