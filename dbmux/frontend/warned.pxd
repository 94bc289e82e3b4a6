# The types with which warned.py is compiled; not read when it runs interpreted.
from dbmux.frontend.statements cimport StatementTenant

cdef class WarnedTenant(StatementTenant):
    pass
