# The types with which killing.py is compiled; not read when it runs interpreted.
from dbmux.frontend.warned cimport WarnedTenant

cdef class KillingTenant(WarnedTenant):
    cdef public object _killing
