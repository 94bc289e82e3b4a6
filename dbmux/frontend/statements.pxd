# The types with which statements.py is compiled; not read when it runs interpreted.
from dbmux.backend.connection cimport Connection
from dbmux.frontend.cached cimport CachedTenant

cdef int ATTRIBUTES, EXECUTE, METADATA_CHANGED, QUERY, RESULT

cdef class StatementTenant(CachedTenant):
    cdef public object _statements
