# The types with which statements.py is compiled; not read when it runs interpreted.
cimport cython
from dbmux.backend.connection cimport Connection
from dbmux.frontend.cached cimport CachedTenant
from dbmux.frontend.prepared cimport Statement, number_in, renumbered

cdef int ATTRIBUTES, EXECUTE, METADATA_CHANGED, QUERY, RESULT

cdef class StatementTenant(CachedTenant):
    cdef public Py_ssize_t _refusals
    cdef public object _statements

    @cython.locals(statement=Statement, connection=Connection, types=bytes)
    cpdef _execute_bare(self, data)
