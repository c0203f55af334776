# The memory of nodes, in C, read by Cython alone: see `keep_in_slabs`.

cdef extern from *:
    """
    #if !defined(Py_GIL_DISABLED) && !defined(_MSC_VER)
    #include <stdlib.h>
    #include <string.h>

    /* A slab has room for nodes of one size. A graph that is built lies in it node by node, in the order in which
       backward() will come back, and so is read much faster than one in the holes that other nodes have left. Slabs
       that are empty again are kept for the next graph: memory that the system takes back, it gives anew page by page. */
    enum {SLAB_BYTES = 1 << 14, EMPTY_SLABS = 512};

    typedef struct Slab {
        struct Slab *next, *previous;  /* among the slabs that have room */
        int used, fresh, holes;        /* places in use, places that were ever in use, and holes among these */
        unsigned char hole[255];
    } Slab;

    static struct {Slab *first; int empty; size_t node; int places;} slabs;

    static void list_slab(Slab *slab) {
        *slab = (Slab){.next = slabs.first, .used = slab->used, .fresh = slab->fresh};
        if (slabs.first) slabs.first->previous = slab;
        slabs.first = slab;
    }

    static void unlist_slab(Slab *slab) {
        if (slab->next) slab->next->previous = slab->previous;
        if (slab->previous) slab->previous->next = slab->next;
        else slabs.first = slab->next;
    }

    static PyObject *allocate_node(PyTypeObject *type, Py_ssize_t Py_UNUSED(items)) {
        if (!slabs.first) {
            void *memory;
            if (posix_memalign(&memory, SLAB_BYTES, SLAB_BYTES - 64)) return PyErr_NoMemory();
            ((Slab *)memory)->used = ((Slab *)memory)->fresh = 0;
            list_slab(memory);
            slabs.empty++;
        }
        Slab *slab = slabs.first;
        int place = slab->holes ? slab->hole[--slab->holes] : slab->fresh++;
        if (!slab->used++) slabs.empty--;
        if (slab->used == slabs.places) unlist_slab(slab);
        void *node = (char *)(slab + 1) + place * slabs.node;
        memset(node, 0, slabs.node);
        return PyObject_Init(node, type);
    }

    static void free_node(void *node) {
        Slab *slab = (Slab *)((size_t)node & ~(size_t)(SLAB_BYTES - 1));
        if (slab->used == slabs.places) list_slab(slab);
        slab->hole[slab->holes++] = ((char *)node - (char *)(slab + 1)) / slabs.node;
        if (--slab->used) return;
        slab->fresh = slab->holes = 0;
        if (++slabs.empty > EMPTY_SLABS) {
            slabs.empty--;
            unlist_slab(slab);
            free(slab);
        }
    }

    static void keep_in_slabs(PyObject *nodes) {
        PyTypeObject *type = (PyTypeObject *)nodes;
        slabs.node = type->tp_basicsize;
        slabs.places = (SLAB_BYTES - 64 - sizeof(Slab)) / slabs.node;
        type->tp_alloc = allocate_node;
        type->tp_free = free_node;
    }
    #else
    static void keep_in_slabs(PyObject *nodes) {}  /* without the GIL the allocator of Python itself does so */
    #endif
    """
    void keep_in_slabs(object nodes)
