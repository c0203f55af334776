# The memory of nodes, in C, read by Cython alone: see `keep_in_slabs`.

cdef extern from *:
    """
    #ifndef Py_GIL_DISABLED
    #include <stdint.h>
    #include <string.h>

    /* A slab has room for nodes of one size. A graph that is built lies in it node by node, in the order in which
       backward() will come back, and so is read much faster than one in the holes that other nodes have left. Slabs
       that are empty again are kept for the next graph, up to a number: memory that the system takes back, it gives
       anew page by page. A slab begins at a multiple of its size, in a room that has a place for that wherever it lies;
       twice the size would do, but then slabs would lie at distances by which they share lines of the cache. */
    enum {SLAB_BYTES = 1 << 16, ROOM_BYTES = SLAB_BYTES * 5 / 2, HEAD_BYTES = 2048, MOST_PLACES = 1000, EMPTY_SLABS = 128};

    typedef struct Slab {
        struct Slab *next, *previous;  /* among the slabs that have a free place */
        void *room;
        int used, fresh, holes;        /* places in use, places that were ever in use, and holes among these */
        uint16_t hole[MOST_PLACES];
    } Slab;
    _Static_assert(sizeof(Slab) <= HEAD_BYTES, "the first node comes after the head");

    static struct {Slab *first; int empty; size_t node; int places; PyObjectArenaAllocator rooms;} slabs;

    static void list_slab(Slab *slab) {
        slab->next = slabs.first;
        slab->previous = NULL;
        slab->holes = 0;
        if (slabs.first) slabs.first->previous = slab;
        slabs.first = slab;
    }

    static void unlist_slab(Slab *slab) {
        if (slab->next) slab->next->previous = slab->previous;
        if (slab->previous) slab->previous->next = slab->next;
        else slabs.first = slab->next;
    }

    static int make_slab(void) {
        void *room = slabs.rooms.alloc(slabs.rooms.ctx, ROOM_BYTES);
        if (!room) return 0;
        Slab *slab = (Slab *)(((size_t)room + SLAB_BYTES - 1) & ~(size_t)(SLAB_BYTES - 1));
        slab->room = room;
        slab->used = slab->fresh = 0;
        list_slab(slab);
        slabs.empty++;
        return 1;
    }

    static PyObject *allocate_node(PyTypeObject *type, Py_ssize_t Py_UNUSED(items)) {
        if (!slabs.first && !make_slab()) return PyErr_NoMemory();
        Slab *slab = slabs.first;
        int place = slab->holes ? slab->hole[--slab->holes] : slab->fresh++;
        if (!slab->used++) slabs.empty--;
        if (slab->used == slabs.places) unlist_slab(slab);
        void *node = (char *)slab + HEAD_BYTES + place * slabs.node;
        memset(node, 0, slabs.node);
        PyTraceMalloc_Track(0, (uintptr_t)node, slabs.node);  /* as any memory of Python's; nothing unless it traces */
        return PyObject_Init(node, type);
    }

    static void free_node(void *node) {
        PyTraceMalloc_Untrack(0, (uintptr_t)node);
        Slab *slab = (Slab *)((size_t)node & ~(size_t)(SLAB_BYTES - 1));
        if (slab->used == slabs.places) list_slab(slab);
        slab->hole[slab->holes++] = ((char *)node - (char *)slab - HEAD_BYTES) / slabs.node;
        if (--slab->used) return;
        slab->fresh = slab->holes = 0;
        if (++slabs.empty > EMPTY_SLABS) {
            slabs.empty--;
            unlist_slab(slab);
            slabs.rooms.free(slabs.rooms.ctx, slab->room, ROOM_BYTES);
        }
    }

    static void keep_in_slabs(PyObject *nodes) {
        PyTypeObject *type = (PyTypeObject *)nodes;
        slabs.node = type->tp_basicsize;
        slabs.places = (SLAB_BYTES - HEAD_BYTES) / slabs.node;
        if (slabs.places > MOST_PLACES) slabs.places = MOST_PLACES;
        PyObject_GetArenaAllocator(&slabs.rooms);
        type->tp_alloc = allocate_node;
        type->tp_free = free_node;
    }
    #else
    static void keep_in_slabs(PyObject *nodes) {}  /* without the GIL the allocator of Python itself does so */
    #endif
    """
    void keep_in_slabs(object nodes)
