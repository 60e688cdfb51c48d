const DEV = false;
var is_array = Array.isArray;
var index_of = Array.prototype.indexOf;
var includes = Array.prototype.includes;
var array_from = Array.from;
var define_property = Object.defineProperty;
var get_descriptor = Object.getOwnPropertyDescriptor;
var get_descriptors = Object.getOwnPropertyDescriptors;
var object_prototype = Object.prototype;
var array_prototype = Array.prototype;
var get_prototype_of = Object.getPrototypeOf;
var is_extensible = Object.isExtensible;
const noop = () => {
};
function run(fn) {
  return fn();
}
function run_all(arr) {
  for (var i = 0; i < arr.length; i++) {
    arr[i]();
  }
}
function deferred() {
  var resolve;
  var reject;
  var promise = new Promise((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
function to_array(value, n) {
  if (Array.isArray(value)) {
    return value;
  }
  if (!(Symbol.iterator in value)) {
    return Array.from(value);
  }
  const array = [];
  for (const element of value) {
    array.push(element);
    if (array.length === n) break;
  }
  return array;
}
const DERIVED = 1 << 1;
const EFFECT = 1 << 2;
const RENDER_EFFECT = 1 << 3;
const MANAGED_EFFECT = 1 << 24;
const BLOCK_EFFECT = 1 << 4;
const BRANCH_EFFECT = 1 << 5;
const ROOT_EFFECT = 1 << 6;
const BOUNDARY_EFFECT = 1 << 7;
const PAUSED = 1 << 8;
const CONNECTED = 1 << 9;
const CLEAN = 1 << 10;
const DIRTY = 1 << 11;
const MAYBE_DIRTY = 1 << 12;
const INERT = 1 << 13;
const DESTROYED = 1 << 14;
const REACTION_RAN = 1 << 15;
const DESTROYING = 1 << 25;
const EFFECT_TRANSPARENT = 1 << 16;
const EAGER_EFFECT = 1 << 17;
const HEAD_EFFECT = 1 << 18;
const EFFECT_PRESERVED = 1 << 19;
const USER_EFFECT = 1 << 20;
const EFFECT_OFFSCREEN = 1 << 25;
const REACTION_IS_UPDATING = 1 << 21;
const ASYNC = 1 << 22;
const ERROR_VALUE = 1 << 23;
const STATE_SYMBOL = Symbol("$state");
const COMPONENT_SYMBOL = Symbol("component");
const LEGACY_PROPS = Symbol("legacy props");
const LOADING_ATTR_SYMBOL = Symbol("");
const ATTRIBUTES_CACHE = Symbol("attributes");
const CLASS_CACHE = Symbol("class");
const STYLE_CACHE = Symbol("style");
const TEXT_CACHE = Symbol("text");
const FORM_RESET_HANDLER = Symbol("form reset");
const STALE_REACTION = new class StaleReactionError extends Error {
  name = "StaleReactionError";
  message = "The reaction that called `getAbortSignal()` was re-run or destroyed";
}();
const IS_XHTML = (
  // We gotta write it like this because after downleveling the pure comment may end up in the wrong location
  !!globalThis.document?.contentType && /* @__PURE__ */ globalThis.document.contentType.includes("xml")
);
const EACH_ITEM_REACTIVE = 1;
const EACH_INDEX_REACTIVE = 1 << 1;
const EACH_IS_CONTROLLED = 1 << 2;
const EACH_IS_ANIMATED = 1 << 3;
const EACH_ITEM_IMMUTABLE = 1 << 4;
const PROPS_IS_IMMUTABLE = 1;
const PROPS_IS_RUNES = 1 << 1;
const PROPS_IS_UPDATED = 1 << 2;
const PROPS_IS_BINDABLE = 1 << 3;
const PROPS_IS_LAZY_INITIAL = 1 << 4;
const TEMPLATE_FRAGMENT = 1;
const TEMPLATE_USE_IMPORT_NODE = 1 << 1;
const HYDRATION_ERROR = {};
const UNINITIALIZED = Symbol("uninitialized");
const NAMESPACE_HTML = "http://www.w3.org/1999/xhtml";
const ATTACHMENT_KEY = "@attach";
function derived_inert() {
  {
    console.warn(`https://svelte.dev/e/derived_inert`);
  }
}
function select_multiple_invalid_value() {
  {
    console.warn(`https://svelte.dev/e/select_multiple_invalid_value`);
  }
}
function svelte_boundary_reset_noop() {
  {
    console.warn(`https://svelte.dev/e/svelte_boundary_reset_noop`);
  }
}
let hydrating = false;
function equals(value) {
  return value === this.v;
}
function safe_not_equal(a, b) {
  return a != a ? b == b : a !== b || a !== null && typeof a === "object" || typeof a === "function";
}
function safe_equals(value) {
  return !safe_not_equal(value, this.v);
}
function async_derived_orphan() {
  {
    throw new Error(`https://svelte.dev/e/async_derived_orphan`);
  }
}
function each_key_duplicate(a, b, value) {
  {
    throw new Error(`https://svelte.dev/e/each_key_duplicate`);
  }
}
function effect_in_teardown(rune) {
  {
    throw new Error(`https://svelte.dev/e/effect_in_teardown`);
  }
}
function effect_in_unowned_derived() {
  {
    throw new Error(`https://svelte.dev/e/effect_in_unowned_derived`);
  }
}
function effect_orphan(rune) {
  {
    throw new Error(`https://svelte.dev/e/effect_orphan`);
  }
}
function effect_update_depth_exceeded() {
  {
    throw new Error(`https://svelte.dev/e/effect_update_depth_exceeded`);
  }
}
function props_invalid_value(key2) {
  {
    throw new Error(`https://svelte.dev/e/props_invalid_value`);
  }
}
function state_descriptors_fixed() {
  {
    throw new Error(`https://svelte.dev/e/state_descriptors_fixed`);
  }
}
function state_prototype_fixed() {
  {
    throw new Error(`https://svelte.dev/e/state_prototype_fixed`);
  }
}
function state_unsafe_mutation() {
  {
    throw new Error(`https://svelte.dev/e/state_unsafe_mutation`);
  }
}
function svelte_boundary_reset_onerror() {
  {
    throw new Error(`https://svelte.dev/e/svelte_boundary_reset_onerror`);
  }
}
let legacy_mode_flag = false;
let tracing_mode_flag = false;
function enable_legacy_mode_flag() {
  legacy_mode_flag = true;
}
let component_context = null;
function set_component_context(context) {
  component_context = context;
}
function push(props, runes = false, fn) {
  component_context = {
    p: component_context,
    i: false,
    c: null,
    e: null,
    s: props,
    x: null,
    r: (
      /** @type {Effect} */
      active_effect
    ),
    l: legacy_mode_flag && !runes ? { s: null, u: null, $: [] } : null
  };
}
function pop(component) {
  var context = (
    /** @type {ComponentContext} */
    component_context
  );
  var effects = context.e;
  if (effects !== null) {
    context.e = null;
    for (var fn of effects) {
      create_user_effect(fn);
    }
  }
  context.i = true;
  component_context = context.p;
  return mark_as_component(component);
}
function mark_as_component(component = {}) {
  define_property(component, COMPONENT_SYMBOL, { value: true });
  return component;
}
function is_runes() {
  return !legacy_mode_flag || component_context !== null && component_context.l === null;
}
let micro_tasks = [];
function run_micro_tasks() {
  var tasks = micro_tasks;
  micro_tasks = [];
  run_all(tasks);
}
function queue_micro_task(fn) {
  if (micro_tasks.length === 0 && !is_flushing_sync) {
    var tasks = micro_tasks;
    queueMicrotask(() => {
      if (tasks === micro_tasks) run_micro_tasks();
    });
  }
  micro_tasks.push(fn);
}
function flush_tasks() {
  while (micro_tasks.length > 0) {
    run_micro_tasks();
  }
}
const STATUS_MASK = -7169;
function set_signal_status(signal, status) {
  signal.f = signal.f & STATUS_MASK | status;
}
function update_derived_status(derived2) {
  if ((derived2.f & CONNECTED) !== 0 || derived2.deps === null) {
    set_signal_status(derived2, CLEAN);
  } else {
    set_signal_status(derived2, MAYBE_DIRTY);
  }
}
function defer_effect(effect2, dirty_reactions) {
  if ((effect2.f & DIRTY) !== 0) {
    dirty_reactions.set(effect2, DIRTY);
  } else if ((effect2.f & MAYBE_DIRTY) !== 0 && dirty_reactions.get(effect2) !== DIRTY) {
    dirty_reactions.set(effect2, MAYBE_DIRTY);
  }
  set_signal_status(effect2, CLEAN);
}
function autofocus(dom, value) {
  if (value) {
    const body = document.body;
    dom.autofocus = true;
    queue_micro_task(() => {
      if (document.activeElement === body) {
        dom.focus();
      }
    });
  }
}
let listening_to_form_reset = false;
function add_form_reset_listener() {
  if (!listening_to_form_reset) {
    listening_to_form_reset = true;
    document.addEventListener(
      "reset",
      (evt) => {
        Promise.resolve().then(() => {
          if (!evt.defaultPrevented) {
            for (
              const e of
              /**@type {HTMLFormElement} */
              evt.target.elements
            ) {
              e[FORM_RESET_HANDLER]?.();
            }
          }
        });
      },
      // In the capture phase to guarantee we get noticed of it (no possibility of stopPropagation)
      { capture: true }
    );
  }
}
function without_reactive_context(fn) {
  var previous_reaction = active_reaction;
  var previous_effect = active_effect;
  set_active_reaction(null);
  set_active_effect(null);
  try {
    return fn();
  } finally {
    set_active_reaction(previous_reaction);
    set_active_effect(previous_effect);
  }
}
function listen_to_event_and_reset_event(element, event2, handler, on_reset = handler) {
  element.addEventListener(event2, () => without_reactive_context(handler));
  const prev = (
    /** @type {any} */
    element[FORM_RESET_HANDLER]
  );
  if (prev) {
    element[FORM_RESET_HANDLER] = () => {
      prev();
      on_reset(true);
    };
  } else {
    element[FORM_RESET_HANDLER] = () => on_reset(true);
  }
  add_form_reset_listener();
}
function flatten(blockers, sync, async, fn) {
  const d = is_runes() ? derived : derived_safe_equal;
  var pending2 = blockers.filter((b) => !b.settled);
  var deriveds = sync.map(d);
  if (async.length === 0 && pending2.length === 0) {
    fn(deriveds);
    return;
  }
  var parent = (
    /** @type {Effect} */
    active_effect
  );
  var restore = capture();
  var blocker_promise = pending2.length === 1 ? pending2[0].promise : pending2.length > 1 ? Promise.all(pending2.map((b) => b.promise)) : null;
  function finish(async2) {
    if ((parent.f & DESTROYED) !== 0) {
      return;
    }
    restore();
    try {
      fn([...deriveds, ...async2]);
    } catch (error) {
      invoke_error_boundary(error, parent);
    }
    unset_context();
  }
  var decrement_pending = increment_pending();
  if (async.length === 0) {
    blocker_promise.then(() => finish([])).finally(decrement_pending);
    return;
  }
  function run2() {
    Promise.all(async.map((expression) => /* @__PURE__ */ async_derived(expression))).then(finish).catch((error) => invoke_error_boundary(error, parent)).finally(decrement_pending);
  }
  if (blocker_promise) {
    blocker_promise.then(() => {
      if ((parent.f & DESTROYED) !== 0) {
        decrement_pending();
        return;
      }
      restore();
      run2();
      unset_context();
    });
  } else {
    run2();
  }
}
function capture() {
  var previous_effect = (
    /** @type {Effect} */
    active_effect
  );
  var previous_reaction = active_reaction;
  var previous_component_context = component_context;
  var previous_batch2 = (
    /** @type {Batch} */
    current_batch
  );
  return function restore(activate_batch = true) {
    set_active_effect(previous_effect);
    set_active_reaction(previous_reaction);
    set_component_context(previous_component_context);
    if (activate_batch && (previous_effect.f & DESTROYED) === 0) {
      previous_batch2?.activate();
      previous_batch2?.apply();
    }
  };
}
function unset_context(deactivate_batch = true) {
  set_active_effect(null);
  set_active_reaction(null);
  set_component_context(null);
  if (deactivate_batch) current_batch?.deactivate();
}
function increment_pending() {
  var effect2 = (
    /** @type {Effect} */
    active_effect
  );
  var boundary2 = effect2.b;
  var batch = (
    /** @type {Batch} */
    current_batch
  );
  var blocking = !!boundary2?.is_rendered();
  boundary2?.update_pending_count(1, batch);
  batch.increment(blocking, effect2);
  return () => {
    boundary2?.update_pending_count(-1, batch);
    batch.decrement(blocking, effect2);
  };
}
// @__NO_SIDE_EFFECTS__
function derived(fn) {
  var flags2 = DERIVED | DIRTY;
  if (active_effect !== null) {
    active_effect.f |= EFFECT_PRESERVED;
  }
  const signal = {
    ctx: component_context,
    deps: null,
    effects: null,
    equals,
    f: flags2,
    fn,
    reactions: null,
    rv: 0,
    v: (
      /** @type {V} */
      UNINITIALIZED
    ),
    wv: 0,
    parent: active_effect,
    ac: null
  };
  return signal;
}
const OBSOLETE = Symbol("obsolete");
// @__NO_SIDE_EFFECTS__
function async_derived(fn, label, location2) {
  let parent = (
    /** @type {Effect | null} */
    active_effect
  );
  if (parent === null) {
    async_derived_orphan();
  }
  var promise = (
    /** @type {Promise<V>} */
    /** @type {unknown} */
    void 0
  );
  var signal = source(
    /** @type {V} */
    UNINITIALIZED
  );
  var should_suspend = !active_reaction;
  var deferreds = /* @__PURE__ */ new Set();
  async_effect(() => {
    var effect2 = (
      /** @type {Effect} */
      active_effect
    );
    var d = deferred();
    promise = d.promise;
    try {
      Promise.resolve(fn()).then(d.resolve, (e) => {
        if (e !== STALE_REACTION) d.reject(e);
      }).finally(unset_context);
    } catch (error) {
      d.reject(error);
      unset_context();
    }
    var batch = (
      /** @type {Batch} */
      current_batch
    );
    if (should_suspend) {
      if ((effect2.f & REACTION_RAN) !== 0) {
        var decrement_pending = increment_pending();
      }
      if (
        // boundary can be null if the async derived is inside an $effect.root not connected to the component render tree
        parent.b?.is_rendered()
      ) {
        batch.async_deriveds.get(effect2)?.reject(OBSOLETE);
      } else {
        for (const d2 of deferreds.values()) {
          d2.reject(OBSOLETE);
        }
      }
      deferreds.add(d);
      batch.async_deriveds.set(effect2, d);
    }
    const handler = (value, error = void 0) => {
      decrement_pending?.();
      deferreds.delete(d);
      if (error === OBSOLETE) return;
      batch.activate();
      if (error) {
        signal.f |= ERROR_VALUE;
        internal_set(signal, error);
      } else {
        if ((signal.f & ERROR_VALUE) !== 0) {
          signal.f ^= ERROR_VALUE;
        }
        internal_set(signal, value);
      }
      batch.deactivate();
    };
    d.promise.then(handler, (e) => handler(null, e || "unknown"));
  });
  teardown(() => {
    for (const d of deferreds) {
      d.reject(OBSOLETE);
    }
  });
  return new Promise((fulfil) => {
    function next(p) {
      function go() {
        if (p === promise) {
          fulfil(signal);
        } else {
          next(promise);
        }
      }
      p.then(go, go);
    }
    next(promise);
  });
}
// @__NO_SIDE_EFFECTS__
function user_derived(fn) {
  const d = /* @__PURE__ */ derived(fn);
  push_reaction_value(d);
  return d;
}
// @__NO_SIDE_EFFECTS__
function derived_safe_equal(fn) {
  const signal = /* @__PURE__ */ derived(fn);
  signal.equals = safe_equals;
  return signal;
}
function destroy_derived_effects(derived2) {
  var effects = derived2.effects;
  if (effects !== null) {
    derived2.effects = null;
    for (var i = 0; i < effects.length; i += 1) {
      destroy_effect(
        /** @type {Effect} */
        effects[i]
      );
    }
  }
}
function execute_derived(derived2) {
  var value;
  var prev_active_effect = active_effect;
  var parent = derived2.parent;
  if (!is_destroying_effect && parent !== null && derived2.v !== UNINITIALIZED && // if it was never evaluated before, it's guaranteed to fail downstream, so we try to execute instead
  (parent.f & (DESTROYED | INERT)) !== 0) {
    derived_inert();
    return derived2.v;
  }
  set_active_effect(parent);
  {
    try {
      destroy_derived_effects(derived2);
      value = update_reaction(derived2);
    } finally {
      set_active_effect(prev_active_effect);
    }
  }
  return value;
}
function update_derived(derived2) {
  var value = execute_derived(derived2);
  if (!derived2.equals(value)) {
    derived2.wv = increment_write_version();
    if (!current_batch?.is_fork || derived2.deps === null) {
      if (current_batch !== null) {
        current_batch.capture(derived2, value, true);
        previous_batch?.capture(derived2, value, true);
      } else {
        derived2.v = value;
      }
      if (derived2.deps === null) {
        set_signal_status(derived2, CLEAN);
        return;
      }
    }
  }
  if (is_destroying_effect) {
    return;
  }
  if (batch_values !== null) {
    if (effect_tracking() || current_batch?.is_fork) {
      batch_values.set(derived2, value);
    }
  } else {
    update_derived_status(derived2);
  }
}
function freeze_derived_effects(derived2) {
  if (derived2.effects === null) return;
  for (const e of derived2.effects) {
    if (e.teardown || e.ac) {
      e.teardown?.();
      if (e.ac !== null) {
        without_reactive_context(() => {
          e.ac.abort(STALE_REACTION);
          e.ac = null;
        });
      }
      if (e.fn !== null) e.teardown = noop;
      remove_reactions(e, 0);
      destroy_effect_children(e);
    }
  }
}
function unfreeze_derived_effects(derived2) {
  if (derived2.effects === null) return;
  for (const e of derived2.effects) {
    if (e.teardown && e.fn !== null) {
      update_effect(e);
    }
  }
}
let first_batch = null;
let last_batch = null;
let current_batch = null;
let previous_batch = null;
let batch_values = null;
let last_scheduled_effect = null;
let is_flushing_sync = false;
let is_processing = false;
let collected_effects = null;
let legacy_updates = null;
var flush_count = 0;
var source_stacks = /* @__PURE__ */ new Set();
let uid = 1;
class Batch {
  id = uid++;
  /** True as soon as `#process` was called */
  started = false;
  linked = true;
  /** @type {Batch | null} */
  prev = null;
  /** @type {Batch | null} */
  next = null;
  /** @type {Map<Effect, ReturnType<typeof deferred<any>>>} */
  async_deriveds = /* @__PURE__ */ new Map();
  /**
   * The current values of any signals that are updated in this batch.
   * Tuple format: [value, is_derived] (note: is_derived is false for deriveds, too, if they were overridden via assignment)
   * The keys of this map are identical to `this.previous`
   * @type {Map<Value, [any, boolean]>}
   */
  current = /* @__PURE__ */ new Map();
  /**
   * The values of any signals (sources and deriveds) that are updated in this batch _before_ those updates took place.
   * The keys of this map are identical to `this.current`
   * @type {Map<Value, any>}
   */
  previous = /* @__PURE__ */ new Map();
  /**
   * When the batch is committed (and the DOM is updated), we need to remove old branches
   * and append new ones by calling the functions added inside (if/each/key/etc) blocks
   * @type {Set<(batch: Batch) => void>}
   */
  #commit_callbacks = /* @__PURE__ */ new Set();
  /**
   * If a fork is discarded, we need to destroy any effects that are no longer needed
   * @type {Set<(batch: Batch) => void>}
   */
  #discard_callbacks = /* @__PURE__ */ new Set();
  /**
   * The number of async effects that are currently in flight
   */
  #pending = 0;
  /**
   * Async effects that are currently in flight, _not_ inside a pending boundary
   * @type {Map<Effect, number>}
   */
  #blocking_pending = /* @__PURE__ */ new Map();
  /**
   * A deferred that resolves when the batch is committed, used with `settled()`
   * TODO replace with Promise.withResolvers once supported widely enough
   * @type {{ promise: Promise<void>, resolve: (value?: any) => void, reject: (reason: unknown) => void } | null}
   */
  #deferred = null;
  /**
   * Effects that were scheduled in this batch but not yet 'resolved' into the
   * root effects that need to be flushed. Resolving — the upwards traversal that
   * marks the path to each effect on the shared effect tree (see #resolve) — is
   * deferred until the batch is processed, so that the markers are created and
   * consumed within a single traversal. Scheduling into other batches (which can
   * happen concurrently, e.g. while a batch is committed) can therefore never
   * observe (and be confused by) this batch's markers.
   * May contain duplicates — deduplication happens during resolving
   * @type {Effect[]}
   */
  #scheduled = [];
  /**
   * Effects created while this batch was active.
   * @type {Effect[]}
   */
  #new_effects = [];
  /**
   * Deferred effects (which run after async work has completed) and their status (DIRTY or MAYBE_DIRTY)
   * @type {Map<Effect, number>}
   */
  #dirty_reactions = /* @__PURE__ */ new Map();
  /**
   * A map of branches that still exist, but will be destroyed when this batch
   * is committed — we skip over these during `process`.
   * The value contains child effects that were dirty/maybe_dirty before being reset,
   * so they can be rescheduled if the branch survives.
   * @type {Map<Effect, { d: Effect[], m: Effect[] }>}
   */
  #skipped_branches = /* @__PURE__ */ new Map();
  /**
   * Inverse of #skipped_branches which we need to tell prior batches to unskip them when committing
   * @type {Set<Effect>}
   */
  #unskipped_branches = /* @__PURE__ */ new Set();
  is_fork = false;
  #decrement_queued = false;
  constructor() {
    if (last_batch === null) {
      first_batch = last_batch = this;
    } else {
      last_batch.next = this;
      this.prev = last_batch;
    }
    last_batch = this;
  }
  #is_deferred() {
    if (this.is_fork) return true;
    for (const effect2 of this.#blocking_pending.keys()) {
      if (!this.#is_skipped(effect2)) {
        return true;
      }
    }
    return false;
  }
  /**
   * Whether `effect` is inside a branch that this batch skips
   * @param {Effect} effect
   */
  #is_skipped(effect2) {
    for (var e = (
      /** @type {Effect | null} */
      effect2
    ); e !== null; e = e.parent) {
      if (this.#skipped_branches.has(e)) return true;
    }
    return false;
  }
  /**
   * Add an effect to the #skipped_branches map and reset its children
   * @param {Effect} effect
   */
  skip_effect(effect2) {
    if (!this.#skipped_branches.has(effect2)) {
      this.#skipped_branches.set(effect2, { d: [], m: [] });
    }
    this.#unskipped_branches.delete(effect2);
  }
  /**
   * Remove an effect from the #skipped_branches map and reschedule
   * any tracked dirty/maybe_dirty child effects
   * @param {Effect} effect
   * @param {(e: Effect) => void} callback
   */
  unskip_effect(effect2, callback = (e) => this.schedule(e)) {
    var tracked = this.#skipped_branches.get(effect2);
    if (tracked) {
      this.#skipped_branches.delete(effect2);
      for (var e of tracked.d) {
        set_signal_status(e, DIRTY);
        callback(e);
      }
      for (e of tracked.m) {
        set_signal_status(e, MAYBE_DIRTY);
        callback(e);
      }
    }
    this.#unskipped_branches.add(effect2);
  }
  /**
   * Convert the effects that were scheduled in this batch into the root effects
   * that need to be traversed, marking the path to each effect (by clearing the
   * `CLEAN` flag on ancestor branches) so that the traversal can find them.
   * This happens right before traversal rather than at scheduling time, so that
   * the markers left on the (shared) effect tree are created and consumed within
   * a single traversal — scheduling into other batches can never observe them
   * @returns {Effect[]}
   */
  #resolve() {
    var roots = [];
    for (const effect2 of this.#scheduled) {
      if ((effect2.f & DESTROYED) !== 0 || (effect2.f & (DIRTY | MAYBE_DIRTY)) === 0) continue;
      var e = effect2;
      var covered = false;
      while (e.parent !== null) {
        e = e.parent;
        var flags2 = e.f;
        if ((flags2 & (ROOT_EFFECT | BRANCH_EFFECT)) !== 0) {
          if ((flags2 & CLEAN) === 0) {
            covered = true;
            break;
          }
          e.f ^= CLEAN;
        }
      }
      if (!covered) {
        roots.push(e);
      }
    }
    this.#scheduled = [];
    return roots;
  }
  #process() {
    this.started = true;
    for (const [e, status] of this.#dirty_reactions) {
      set_signal_status(e, status);
      this.schedule(e);
    }
    this.apply();
    var effects = collected_effects = [];
    var render_effects = [];
    var updates = legacy_updates = [];
    while (this.#scheduled.length > 0) {
      if (flush_count++ > 1e3) {
        this.#unlink();
        infinite_loop_guard();
      }
      for (const root2 of this.#resolve()) {
        try {
          this.#traverse(root2, effects, render_effects);
        } catch (e) {
          reset_all(root2);
          if (!this.#is_deferred()) this.discard();
          throw e;
        }
      }
    }
    current_batch = null;
    if (updates.length > 0) {
      var batch = Batch.ensure();
      for (const e of updates) {
        batch.schedule(e);
      }
    }
    collected_effects = null;
    legacy_updates = null;
    if (this.#is_deferred()) {
      this.#defer_effects(render_effects);
      this.#defer_effects(effects);
      for (const [e, t] of this.#skipped_branches) {
        reset_branch(e, t);
      }
      if (updates.length > 0) {
        /** @type {unknown} */
        current_batch.#process();
      }
      return;
    }
    const earlier_batch = this.#find_earlier_batch();
    if (earlier_batch) {
      this.#defer_effects(render_effects);
      this.#defer_effects(effects);
      earlier_batch.#merge(this);
      return;
    }
    this.#dirty_reactions.clear();
    for (const fn of this.#commit_callbacks) fn(this);
    this.#commit_callbacks.clear();
    previous_batch = this;
    flush_queued_effects(render_effects);
    flush_queued_effects(effects);
    previous_batch = null;
    this.#deferred?.resolve();
    var next_batch = (
      /** @type {Batch | null} */
      /** @type {unknown} */
      current_batch
    );
    if (this.#pending === 0 && (this.#scheduled.length === 0 || next_batch !== null)) {
      this.#unlink();
    }
    if (next_batch !== null) {
      old_values.clear();
      next_batch.#process();
    }
  }
  /**
   * Traverse the effect tree, executing effects or stashing
   * them for later execution as appropriate
   * @param {Effect} root
   * @param {Effect[]} effects
   * @param {Effect[]} render_effects
   */
  #traverse(root2, effects, render_effects) {
    root2.f ^= CLEAN;
    var effect2 = root2.first;
    while (effect2 !== null) {
      var flags2 = effect2.f;
      var is_branch = (flags2 & (BRANCH_EFFECT | ROOT_EFFECT)) !== 0;
      var is_skippable_branch = is_branch && (flags2 & CLEAN) !== 0;
      var skip = is_skippable_branch || (flags2 & INERT) !== 0 || this.#skipped_branches.has(effect2);
      if (!skip && effect2.fn !== null) {
        if (is_branch) {
          effect2.f ^= CLEAN;
        } else if ((flags2 & EFFECT) !== 0) {
          effects.push(effect2);
        } else if (is_dirty(effect2)) {
          if ((flags2 & BLOCK_EFFECT) !== 0) this.add_dirty_reaction(effect2, MAYBE_DIRTY);
          update_effect(effect2);
        }
        var child2 = effect2.first;
        if (child2 !== null) {
          effect2 = child2;
          continue;
        }
      }
      while (effect2 !== null) {
        var next = effect2.next;
        if (next !== null) {
          effect2 = next;
          break;
        }
        effect2 = effect2.parent;
      }
    }
  }
  #find_earlier_batch() {
    for (var batch = this.prev; batch !== null; batch = batch.prev) {
      if (!batch.is_fork && this.#intersects(batch)) return batch;
    }
    return null;
  }
  /** @param {Batch} batch */
  #intersects(batch) {
    for (const [source2, [, is_derived]] of this.current) {
      if (is_derived) continue;
      if (batch.current.has(source2)) return true;
    }
    return false;
  }
  /**
   * @param {Batch} batch
   */
  #merge(batch) {
    for (const [source2, value] of batch.current) {
      if (!this.previous.has(source2) && batch.previous.has(source2)) {
        this.previous.set(source2, batch.previous.get(source2));
      }
      this.current.set(source2, value);
    }
    for (const [effect2, deferred2] of batch.async_deriveds) {
      const d = this.async_deriveds.get(effect2);
      if (d) deferred2.promise.then(d.resolve).catch(d.reject);
    }
    batch.async_deriveds.clear();
    this.transfer_reactions(batch.#dirty_reactions);
    const mark = (value) => {
      var reactions = value.reactions;
      if (reactions === null) return;
      if ((value.f & DERIVED) !== 0 && (value.f & (DIRTY | MAYBE_DIRTY)) === 0) {
        return;
      }
      for (const reaction of reactions) {
        var flags2 = reaction.f;
        if ((flags2 & DERIVED) !== 0) {
          mark(
            /** @type {Derived} */
            reaction
          );
        } else {
          var effect2 = (
            /** @type {Effect} */
            reaction
          );
          if (flags2 & (ASYNC | BLOCK_EFFECT) && !this.async_deriveds.has(effect2)) {
            this.#dirty_reactions.delete(effect2);
            set_signal_status(effect2, DIRTY);
            this.schedule(effect2);
          }
        }
      }
    };
    for (const source2 of this.current.keys()) {
      mark(source2);
    }
    this.oncommit(() => batch.discard());
    batch.#unlink();
    current_batch = this;
    this.#process();
  }
  /**
   * @param {Effect[]} effects
   */
  #defer_effects(effects) {
    for (var i = 0; i < effects.length; i += 1) {
      defer_effect(effects[i], this.#dirty_reactions);
    }
  }
  /**
   * Associate a change to a given source with the current
   * batch, noting its previous and current values
   * @param {Value} source
   * @param {any} value
   * @param {boolean} [is_derived]
   */
  capture(source2, value, is_derived = false) {
    if (source2.v !== UNINITIALIZED && !this.previous.has(source2)) {
      this.previous.set(source2, source2.v);
    }
    if ((source2.f & ERROR_VALUE) === 0) {
      this.current.set(source2, [value, is_derived]);
      batch_values?.set(source2, value);
    }
    if (!this.is_fork) {
      source2.v = value;
    }
  }
  activate() {
    current_batch = this;
  }
  deactivate() {
    current_batch = null;
    batch_values = null;
  }
  flush() {
    try {
      if (DEV) ;
      is_processing = true;
      current_batch = this;
      this.#process();
    } finally {
      flush_count = 0;
      last_scheduled_effect = null;
      collected_effects = null;
      legacy_updates = null;
      is_processing = false;
      current_batch = null;
      batch_values = null;
      old_values.clear();
    }
  }
  discard() {
    for (const fn of this.#discard_callbacks) fn(this);
    this.#discard_callbacks.clear();
    for (const deferred2 of this.async_deriveds.values()) {
      deferred2.reject(OBSOLETE);
    }
    this.#unlink();
    this.#deferred?.resolve();
  }
  /**
   * @param {Effect} effect
   */
  register_created_effect(effect2) {
    this.#new_effects.push(effect2);
  }
  #commit() {
    for (let batch = first_batch; batch !== null; batch = batch.next) {
      var is_earlier = batch.id < this.id;
      var sources = [];
      for (const [source3, [value, is_derived]] of this.current) {
        if (batch.current.has(source3)) {
          var batch_value = (
            /** @type {[any, boolean]} */
            batch.current.get(source3)[0]
          );
          if (is_earlier && value !== batch_value) {
            batch.current.set(source3, [value, is_derived]);
          } else {
            continue;
          }
        }
        sources.push(source3);
      }
      if (is_earlier) {
        for (const [effect2, deferred2] of this.async_deriveds) {
          const d = batch.async_deriveds.get(effect2);
          if (d) deferred2.promise.then(d.resolve).catch(d.reject);
        }
      }
      var current = [...batch.current.keys()].filter(
        (source3) => !/** @type {[any, boolean]} */
        batch.current.get(source3)[1]
      );
      if (!batch.started || current.length === 0) continue;
      var others = current.filter((source3) => !this.current.has(source3));
      if (others.length === 0) {
        if (is_earlier) {
          batch.discard();
        }
      } else if (sources.length > 0) {
        if (is_earlier) {
          for (const unskipped of this.#unskipped_branches) {
            batch.unskip_effect(unskipped, (e) => {
              if ((e.f & (BLOCK_EFFECT | ASYNC)) !== 0) {
                batch.schedule(e);
              } else {
                batch.#defer_effects([e]);
              }
            });
          }
        }
        batch.activate();
        var marked = /* @__PURE__ */ new Set();
        var checked = /* @__PURE__ */ new Map();
        for (var source2 of sources) {
          mark_effects(source2, others, marked, checked);
        }
        checked = /* @__PURE__ */ new Map();
        var current_unequal = [...batch.current].filter(([c, v1]) => {
          const v2 = this.current.get(c);
          if (!v2) return true;
          return v2[0] !== v1[0] || v2[1] !== v1[1];
        }).map(([c]) => c);
        if (current_unequal.length > 0) {
          for (const effect2 of this.#new_effects) {
            if ((effect2.f & (DESTROYED | INERT | EAGER_EFFECT)) === 0 && depends_on(effect2, current_unequal, checked)) {
              if ((effect2.f & (ASYNC | BLOCK_EFFECT)) !== 0) {
                set_signal_status(effect2, DIRTY);
                batch.schedule(effect2);
              } else {
                batch.add_dirty_reaction(effect2, DIRTY);
              }
            }
          }
        }
        if (batch.#scheduled.length > 0 && !batch.#decrement_queued) {
          batch.apply();
          for (var root2 of batch.#resolve()) {
            batch.#traverse(root2, [], []);
          }
        }
        batch.deactivate();
      }
    }
  }
  /**
   * @param {boolean} blocking
   * @param {Effect} effect
   */
  increment(blocking, effect2) {
    this.#pending += 1;
    if (blocking) {
      let blocking_pending_count = this.#blocking_pending.get(effect2) ?? 0;
      this.#blocking_pending.set(effect2, blocking_pending_count + 1);
    }
  }
  /**
   * @param {boolean} blocking
   * @param {Effect} effect
   */
  decrement(blocking, effect2) {
    this.#pending -= 1;
    if (blocking) {
      let blocking_pending_count = this.#blocking_pending.get(effect2) ?? 0;
      if (blocking_pending_count === 1) {
        this.#blocking_pending.delete(effect2);
      } else {
        this.#blocking_pending.set(effect2, blocking_pending_count - 1);
      }
    }
    if (this.#decrement_queued) return;
    this.#decrement_queued = true;
    queue_micro_task(() => {
      this.#decrement_queued = false;
      if (this.linked) {
        this.flush();
      }
    });
  }
  /**
   * @param {Map<Effect, number>} dirty_reactions
   */
  transfer_reactions(dirty_reactions) {
    for (const [effect2, status] of dirty_reactions) {
      this.add_dirty_reaction(effect2, status);
    }
    dirty_reactions.clear();
  }
  /**
   * @param {Effect} effect
   * @param {number} status
   */
  add_dirty_reaction(effect2, status) {
    if (status === DIRTY || this.#dirty_reactions.get(effect2) !== DIRTY) {
      this.#dirty_reactions.set(effect2, status);
    }
  }
  /** @param {(batch: Batch) => void} fn */
  oncommit(fn) {
    this.#commit_callbacks.add(fn);
  }
  /** @param {(batch: Batch) => void} fn */
  ondiscard(fn) {
    this.#discard_callbacks.add(fn);
  }
  settled() {
    return (this.#deferred ??= deferred()).promise;
  }
  static ensure() {
    if (current_batch === null) {
      const batch = current_batch = new Batch();
      if (!is_processing && !is_flushing_sync) {
        queue_micro_task(() => {
          if (!batch.started) {
            batch.flush();
          }
        });
      }
    }
    return current_batch;
  }
  apply() {
    {
      batch_values = null;
      return;
    }
  }
  /**
   *
   * @param {Effect} effect
   */
  schedule(effect2) {
    last_scheduled_effect = effect2;
    if (effect2.b?.is_pending && (effect2.f & (EFFECT | RENDER_EFFECT | MANAGED_EFFECT)) !== 0 && (effect2.f & REACTION_RAN) === 0) {
      effect2.b.defer_effect(effect2);
      return;
    }
    this.#scheduled.push(effect2);
  }
  #unlink() {
    if (!this.linked) return;
    var prev = this.prev;
    var next = this.next;
    if (prev === null) {
      first_batch = next;
    } else {
      prev.next = next;
    }
    if (next === null) {
      last_batch = prev;
    } else {
      next.prev = prev;
    }
    this.linked = false;
  }
}
function flushSync(fn) {
  var was_flushing_sync = is_flushing_sync;
  var prev_previous_batch = previous_batch;
  previous_batch = null;
  is_flushing_sync = true;
  try {
    var result;
    if (fn) ;
    while (true) {
      flush_tasks();
      if (current_batch === null) {
        return (
          /** @type {T} */
          result
        );
      }
      current_batch.flush();
    }
  } finally {
    is_flushing_sync = was_flushing_sync;
    previous_batch = prev_previous_batch;
  }
}
function infinite_loop_guard() {
  try {
    effect_update_depth_exceeded();
  } catch (error) {
    invoke_error_boundary(error, last_scheduled_effect);
  }
}
let eager_block_effects = null;
function flush_queued_effects(effects) {
  var length2 = effects.length;
  if (length2 === 0) return;
  var i = 0;
  while (i < length2) {
    var effect2 = effects[i++];
    if ((effect2.f & (DESTROYED | INERT)) === 0 && is_dirty(effect2)) {
      eager_block_effects = /* @__PURE__ */ new Set();
      update_effect(effect2);
      if (effect2.deps === null && effect2.first === null && effect2.nodes === null && effect2.teardown === null && effect2.ac === null) {
        unlink_effect(effect2);
      }
      if (eager_block_effects?.size > 0) {
        old_values.clear();
        for (const e of eager_block_effects) {
          if ((e.f & (DESTROYED | INERT)) !== 0) continue;
          const ordered_effects = [e];
          let ancestor = e.parent;
          while (ancestor !== null) {
            if (eager_block_effects.has(ancestor)) {
              eager_block_effects.delete(ancestor);
              ordered_effects.push(ancestor);
            }
            ancestor = ancestor.parent;
          }
          for (let j = ordered_effects.length - 1; j >= 0; j--) {
            const e2 = ordered_effects[j];
            if ((e2.f & (DESTROYED | INERT)) !== 0) continue;
            update_effect(e2);
          }
        }
        eager_block_effects.clear();
      }
    }
  }
  eager_block_effects = null;
}
function mark_effects(value, sources, marked, checked) {
  if (marked.has(value)) return;
  marked.add(value);
  if (value.reactions !== null) {
    for (const reaction of value.reactions) {
      const flags2 = reaction.f;
      if ((flags2 & DERIVED) !== 0) {
        mark_effects(
          /** @type {Derived} */
          reaction,
          sources,
          marked,
          checked
        );
      } else if ((flags2 & (ASYNC | BLOCK_EFFECT)) !== 0 && (flags2 & DIRTY) === 0 && depends_on(reaction, sources, checked)) {
        set_signal_status(reaction, DIRTY);
        schedule_effect(
          /** @type {Effect} */
          reaction
        );
      }
    }
  }
}
function depends_on(reaction, sources, checked) {
  const depends = checked.get(reaction);
  if (depends !== void 0) return depends;
  if (reaction.deps !== null) {
    for (const dep of reaction.deps) {
      if (includes.call(sources, dep)) {
        return true;
      }
      if ((dep.f & DERIVED) !== 0 && depends_on(
        /** @type {Derived} */
        dep,
        sources,
        checked
      )) {
        checked.set(
          /** @type {Derived} */
          dep,
          true
        );
        return true;
      }
    }
  }
  checked.set(reaction, false);
  return false;
}
function schedule_effect(effect2) {
  current_batch.schedule(effect2);
}
function reset_branch(effect2, tracked) {
  if ((effect2.f & BRANCH_EFFECT) !== 0 && (effect2.f & CLEAN) !== 0) {
    return;
  }
  if ((effect2.f & DIRTY) !== 0) {
    tracked.d.push(effect2);
  } else if ((effect2.f & MAYBE_DIRTY) !== 0) {
    tracked.m.push(effect2);
  }
  set_signal_status(effect2, CLEAN);
  var e = effect2.first;
  while (e !== null) {
    reset_branch(e, tracked);
    e = e.next;
  }
}
function reset_all(effect2) {
  set_signal_status(effect2, CLEAN);
  var e = effect2.first;
  while (e !== null) {
    reset_all(e);
    e = e.next;
  }
}
let eager_effects = /* @__PURE__ */ new Set();
const old_values = /* @__PURE__ */ new Map();
let eager_effects_deferred = false;
function source(v, stack) {
  var signal = {
    f: 0,
    v,
    reactions: null,
    equals,
    rv: 0,
    wv: 0
  };
  return signal;
}
// @__NO_SIDE_EFFECTS__
function state(v, stack) {
  const s = source(v);
  push_reaction_value(s);
  return s;
}
// @__NO_SIDE_EFFECTS__
function mutable_source(initial_value, immutable = false, trackable = true) {
  const s = source(initial_value);
  if (!immutable) {
    s.equals = safe_equals;
  }
  if (legacy_mode_flag && trackable && component_context !== null && component_context.l !== null) {
    (component_context.l.s ??= []).push(s);
  }
  return s;
}
function set(source2, value, should_proxy = false) {
  if (active_reaction !== null && // since we are untracking the function inside `$inspect.with` we need to add this check
  // to ensure we error if state is set inside an inspect effect
  (!untracking || (active_reaction.f & EAGER_EFFECT) !== 0) && is_runes() && (active_reaction.f & (DERIVED | BLOCK_EFFECT | ASYNC | EAGER_EFFECT)) !== 0 && (current_sources === null || !current_sources.has(source2))) {
    state_unsafe_mutation();
  }
  let new_value = should_proxy ? proxy(value) : value;
  return internal_set(source2, new_value, legacy_updates);
}
var seen = null;
var count_deps = 0;
function internal_set(source2, value, updated_during_traversal = null) {
  if (!source2.equals(value)) {
    if (is_destroying_effect) {
      old_values.set(source2, value);
    } else if (!old_values.has(source2)) {
      old_values.set(source2, source2.v);
    }
    var batch = Batch.ensure();
    batch.capture(source2, value);
    if ((source2.f & DERIVED) !== 0) {
      const derived2 = (
        /** @type {Derived} */
        source2
      );
      if ((source2.f & DIRTY) !== 0) {
        execute_derived(derived2);
      }
      if (batch_values === null) {
        update_derived_status(derived2);
      }
    }
    source2.wv = increment_write_version();
    seen = null;
    count_deps = 0;
    mark_reactions(source2, DIRTY, updated_during_traversal);
    seen = null;
    if (is_runes() && active_effect !== null && (active_effect.f & CLEAN) !== 0 && (active_effect.f & (BRANCH_EFFECT | ROOT_EFFECT)) === 0) {
      if (untracked_writes === null) {
        set_untracked_writes([source2]);
      } else {
        untracked_writes.push(source2);
      }
    }
    if (!batch.is_fork && eager_effects.size > 0 && !eager_effects_deferred) {
      flush_eager_effects();
    }
  }
  return value;
}
function flush_eager_effects() {
  eager_effects_deferred = false;
  for (const effect2 of eager_effects) {
    if ((effect2.f & CLEAN) !== 0) {
      set_signal_status(effect2, MAYBE_DIRTY);
    }
    let dirty;
    try {
      dirty = is_dirty(effect2);
    } catch {
      dirty = true;
    }
    if (dirty) {
      update_effect(effect2);
    }
  }
  eager_effects.clear();
}
function increment(source2) {
  set(source2, source2.v + 1);
}
function mark_reactions(signal, status, updated_during_traversal) {
  var reactions = signal.reactions;
  if (reactions === null) return;
  var runes = is_runes();
  var length2 = reactions.length;
  count_deps += length2;
  if (count_deps > 1e5 && seen === null) seen = /* @__PURE__ */ new Set();
  if (seen !== null) {
    if (seen.has(signal)) return;
    seen.add(signal);
  }
  for (var i = 0; i < length2; i++) {
    var reaction = reactions[i];
    var flags2 = reaction.f;
    if (!runes && reaction === active_effect) continue;
    var not_dirty = (flags2 & DIRTY) === 0;
    if (not_dirty) {
      set_signal_status(reaction, status);
    }
    if ((flags2 & EAGER_EFFECT) !== 0) {
      eager_effects.add(
        /** @type {Effect} */
        reaction
      );
    } else if ((flags2 & DERIVED) !== 0) {
      var derived2 = (
        /** @type {Derived} */
        reaction
      );
      batch_values?.delete(derived2);
      mark_reactions(derived2, MAYBE_DIRTY, updated_during_traversal);
    } else if (not_dirty) {
      var effect2 = (
        /** @type {Effect} */
        reaction
      );
      if ((flags2 & BLOCK_EFFECT) !== 0 && eager_block_effects !== null) {
        eager_block_effects.add(effect2);
      }
      if (updated_during_traversal !== null) {
        updated_during_traversal.push(effect2);
      } else {
        schedule_effect(effect2);
      }
    }
  }
}
function proxy(value) {
  if (typeof value !== "object" || value === null || STATE_SYMBOL in value || COMPONENT_SYMBOL in value) {
    return value;
  }
  const prototype = get_prototype_of(value);
  if (prototype !== object_prototype && prototype !== array_prototype) {
    return value;
  }
  var sources = /* @__PURE__ */ new Map();
  var is_proxied_array = is_array(value);
  var version = /* @__PURE__ */ state(0);
  var parent_version = update_version;
  var with_parent = (fn) => {
    if (update_version === parent_version) {
      return fn();
    }
    var reaction = active_reaction;
    var version2 = update_version;
    set_active_reaction(null);
    set_update_version(parent_version);
    var result = fn();
    set_active_reaction(reaction);
    set_update_version(version2);
    return result;
  };
  if (is_proxied_array) {
    sources.set("length", /* @__PURE__ */ state(
      /** @type {any[]} */
      value.length
    ));
  }
  return new Proxy(
    /** @type {any} */
    value,
    {
      defineProperty(_, prop2, descriptor) {
        if (!("value" in descriptor) || descriptor.configurable === false || descriptor.enumerable === false || descriptor.writable === false) {
          state_descriptors_fixed();
        }
        var s = sources.get(prop2);
        if (s === void 0) {
          with_parent(() => {
            var s2 = /* @__PURE__ */ state(descriptor.value);
            sources.set(prop2, s2);
            return s2;
          });
        } else {
          set(s, descriptor.value, true);
        }
        return true;
      },
      deleteProperty(target2, prop2) {
        var s = sources.get(prop2);
        if (s === void 0) {
          if (prop2 in target2) {
            const s2 = with_parent(() => /* @__PURE__ */ state(UNINITIALIZED));
            sources.set(prop2, s2);
            increment(version);
          }
        } else {
          set(s, UNINITIALIZED);
          increment(version);
        }
        return true;
      },
      get(target2, prop2, receiver) {
        if (prop2 === STATE_SYMBOL) {
          return value;
        }
        var s = sources.get(prop2);
        var exists = prop2 in target2;
        if (s === void 0 && (!exists || get_descriptor(target2, prop2)?.writable)) {
          s = with_parent(() => {
            var p = proxy(exists ? target2[prop2] : UNINITIALIZED);
            var s2 = /* @__PURE__ */ state(p);
            return s2;
          });
          sources.set(prop2, s);
        }
        if (s !== void 0) {
          var v = get$1(s);
          return v === UNINITIALIZED ? void 0 : v;
        }
        return Reflect.get(target2, prop2, receiver);
      },
      getOwnPropertyDescriptor(target2, prop2) {
        this.has?.(target2, prop2);
        var descriptor = Reflect.getOwnPropertyDescriptor(target2, prop2);
        var s = sources.get(prop2);
        if (s !== void 0) {
          var value2 = get$1(s);
          if (value2 === UNINITIALIZED) {
            return void 0;
          }
          if (descriptor && "value" in descriptor) {
            descriptor.value = value2;
          } else {
            return {
              enumerable: true,
              configurable: true,
              value: value2,
              writable: true
            };
          }
        }
        return descriptor;
      },
      has(target2, prop2) {
        if (prop2 === STATE_SYMBOL) {
          return true;
        }
        var s = sources.get(prop2);
        var has = s !== void 0 && s.v !== UNINITIALIZED || Reflect.has(target2, prop2);
        if (s !== void 0 || (active_effect !== null || active_reaction !== null) && (!has || get_descriptor(target2, prop2)?.writable)) {
          if (s === void 0) {
            s = with_parent(() => {
              var p = has ? proxy(target2[prop2]) : UNINITIALIZED;
              var s2 = /* @__PURE__ */ state(p);
              return s2;
            });
            sources.set(prop2, s);
          }
          var value2 = get$1(s);
          if (value2 === UNINITIALIZED) {
            return false;
          }
        }
        return has;
      },
      set(target2, prop2, value2, receiver) {
        var s = sources.get(prop2);
        var has = prop2 in target2;
        if (is_proxied_array && prop2 === "length") {
          for (var i = value2; i < /** @type {Source<number>} */
          s.v; i += 1) {
            var other_s = sources.get(i + "");
            if (other_s !== void 0) {
              set(other_s, UNINITIALIZED);
            } else if (i in target2) {
              other_s = with_parent(() => /* @__PURE__ */ state(UNINITIALIZED));
              sources.set(i + "", other_s);
            }
          }
        }
        if (s === void 0) {
          if (!has || get_descriptor(target2, prop2)?.writable) {
            s = with_parent(() => /* @__PURE__ */ state(void 0));
            set(s, proxy(value2));
            sources.set(prop2, s);
          }
        } else {
          has = s.v !== UNINITIALIZED;
          var p = with_parent(() => proxy(value2));
          set(s, p);
        }
        var descriptor = Reflect.getOwnPropertyDescriptor(target2, prop2);
        if (descriptor?.set) {
          descriptor.set.call(receiver, value2);
        }
        if (!has) {
          if (is_proxied_array && typeof prop2 === "string") {
            var ls = (
              /** @type {Source<number>} */
              sources.get("length")
            );
            var n = Number(prop2);
            if (Number.isInteger(n) && n >= ls.v) {
              set(ls, n + 1);
            }
          }
          increment(version);
        }
        return true;
      },
      ownKeys(target2) {
        get$1(version);
        var own_keys = Reflect.ownKeys(target2).filter((key3) => {
          var source3 = sources.get(key3);
          return source3 === void 0 || source3.v !== UNINITIALIZED;
        });
        for (var [key2, source2] of sources) {
          if (source2.v !== UNINITIALIZED && !(key2 in target2)) {
            own_keys.push(key2);
          }
        }
        return own_keys;
      },
      setPrototypeOf() {
        state_prototype_fixed();
      }
    }
  );
}
function get_proxied_value(value) {
  try {
    if (value !== null && typeof value === "object" && STATE_SYMBOL in value) {
      return value[STATE_SYMBOL];
    }
  } catch {
  }
  return value;
}
function is(a, b) {
  return Object.is(get_proxied_value(a), get_proxied_value(b));
}
var $window;
var $document;
var is_firefox;
var first_child_getter;
var next_sibling_getter;
function init_operations() {
  if ($window !== void 0) {
    return;
  }
  $window = window;
  $document = document;
  is_firefox = /Firefox/.test(navigator.userAgent);
  var element_prototype = Element.prototype;
  var node_prototype = Node.prototype;
  var text_prototype = Text.prototype;
  first_child_getter = get_descriptor(node_prototype, "firstChild").get;
  next_sibling_getter = get_descriptor(node_prototype, "nextSibling").get;
  if (is_extensible(element_prototype)) {
    element_prototype[CLASS_CACHE] = void 0;
    element_prototype[ATTRIBUTES_CACHE] = null;
    element_prototype[STYLE_CACHE] = void 0;
    element_prototype.__e = void 0;
  }
  if (is_extensible(text_prototype)) {
    text_prototype[TEXT_CACHE] = void 0;
  }
}
function create_text(value = "") {
  return document.createTextNode(value);
}
// @__NO_SIDE_EFFECTS__
function get_first_child(node) {
  return (
    /** @type {TemplateNode | null} */
    first_child_getter.call(node)
  );
}
// @__NO_SIDE_EFFECTS__
function get_next_sibling(node) {
  return (
    /** @type {TemplateNode | null} */
    next_sibling_getter.call(node)
  );
}
function child(node, is_text) {
  {
    return /* @__PURE__ */ get_first_child(node);
  }
}
function first_child(node, is_text = false) {
  {
    var first = /* @__PURE__ */ get_first_child(node);
    if (first instanceof Comment && first.data === "") return /* @__PURE__ */ get_next_sibling(first);
    return first;
  }
}
function only_child(node, is_text = false) {
  {
    return /* @__PURE__ */ get_first_child(node);
  }
}
function sibling(node, count = 1, is_text = false) {
  let next_sibling = node;
  while (count--) {
    next_sibling = /** @type {TemplateNode} */
    /* @__PURE__ */ get_next_sibling(next_sibling);
  }
  {
    return next_sibling;
  }
}
function clear_text_content(node) {
  node.textContent = "";
}
function should_defer_append() {
  return false;
}
function create_element(tag, namespace, is2) {
  {
    return (
      /** @type {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : Element} */
      is2 ? document.createElement(tag, { is: is2 }) : document.createElement(tag)
    );
  }
}
function handle_error(error) {
  var effect2 = active_effect;
  if (effect2 === null) {
    active_reaction.f |= ERROR_VALUE;
    return error;
  }
  if ((effect2.f & REACTION_RAN) === 0 && (effect2.f & EFFECT) === 0) {
    throw error;
  }
  invoke_error_boundary(error, effect2);
}
function invoke_error_boundary(error, effect2) {
  if (error === HYDRATION_ERROR) {
    throw error;
  }
  if (effect2 !== null && (effect2.f & DESTROYED) !== 0) {
    return;
  }
  while (effect2 !== null) {
    if ((effect2.f & BOUNDARY_EFFECT) !== 0 && (effect2.f & (DESTROYED | DESTROYING)) === 0) {
      if ((effect2.f & REACTION_RAN) === 0) {
        throw error;
      }
      try {
        effect2.b.error(error);
        return;
      } catch (e) {
        error = e;
      }
    }
    effect2 = effect2.parent;
  }
  throw error;
}
function validate_effect(rune) {
  if (active_effect === null) {
    if (active_reaction === null) {
      effect_orphan();
    }
    effect_in_unowned_derived();
  }
  if (is_destroying_effect) {
    effect_in_teardown();
  }
}
function push_effect(effect2, parent_effect) {
  var parent_last = parent_effect.last;
  if (parent_last === null) {
    parent_effect.last = parent_effect.first = effect2;
  } else {
    parent_last.next = effect2;
    effect2.prev = parent_last;
    parent_effect.last = effect2;
  }
}
function create_effect(type, fn) {
  var parent = active_effect;
  if (parent !== null && (parent.f & INERT) !== 0) {
    type |= INERT;
  }
  var effect2 = {
    ctx: component_context,
    deps: null,
    nodes: null,
    f: type | DIRTY | CONNECTED,
    first: null,
    fn,
    last: null,
    next: null,
    parent,
    b: parent && parent.b,
    prev: null,
    teardown: null,
    wv: 0,
    ac: null
  };
  current_batch?.register_created_effect(effect2);
  var e = effect2;
  if ((type & EFFECT) !== 0) {
    if (collected_effects !== null) {
      collected_effects.push(effect2);
    } else {
      Batch.ensure().schedule(effect2);
    }
  } else if (fn !== null) {
    try {
      update_effect(effect2);
    } catch (e2) {
      destroy_effect(effect2);
      throw e2;
    }
    if (e.deps === null && e.teardown === null && e.nodes === null && e.first === e.last && // either `null`, or a singular child
    (e.f & EFFECT_PRESERVED) === 0) {
      e = e.first;
      if ((type & BLOCK_EFFECT) !== 0 && (type & EFFECT_TRANSPARENT) !== 0 && e !== null) {
        e.f |= EFFECT_TRANSPARENT;
      }
    }
  }
  if (e !== null) {
    e.parent = parent;
    if (parent !== null) {
      push_effect(e, parent);
    }
    if (active_reaction !== null && (active_reaction.f & DERIVED) !== 0 && (type & ROOT_EFFECT) === 0) {
      var derived2 = (
        /** @type {Derived} */
        active_reaction
      );
      (derived2.effects ??= []).push(e);
    }
  }
  return effect2;
}
function effect_tracking() {
  return active_reaction !== null && !untracking;
}
function teardown(fn) {
  const effect2 = create_effect(RENDER_EFFECT, null);
  set_signal_status(effect2, CLEAN);
  effect2.teardown = fn;
  return effect2;
}
function user_effect(fn) {
  validate_effect();
  var flags2 = (
    /** @type {Effect} */
    active_effect.f
  );
  var defer = !active_reaction && (flags2 & BRANCH_EFFECT) !== 0 && component_context !== null && !component_context.i;
  if (defer) {
    var context = (
      /** @type {ComponentContext} */
      component_context
    );
    (context.e ??= []).push(fn);
  } else {
    return create_user_effect(fn);
  }
}
function create_user_effect(fn) {
  return create_effect(EFFECT | USER_EFFECT, fn);
}
function user_pre_effect(fn) {
  validate_effect();
  return create_effect(RENDER_EFFECT | USER_EFFECT, fn);
}
function component_root(fn) {
  Batch.ensure();
  const effect2 = create_effect(ROOT_EFFECT | EFFECT_PRESERVED, fn);
  return (options = {}) => {
    return new Promise((fulfil) => {
      if (options.outro) {
        pause_effect(effect2, () => {
          destroy_effect(effect2);
          fulfil(void 0);
        });
      } else {
        destroy_effect(effect2);
        fulfil(void 0);
      }
    });
  };
}
function effect(fn) {
  return create_effect(EFFECT, fn);
}
function async_effect(fn) {
  return create_effect(ASYNC | EFFECT_PRESERVED, fn);
}
function render_effect(fn, flags2 = 0) {
  return create_effect(RENDER_EFFECT | flags2, fn);
}
function template_effect(fn, sync = [], async = [], blockers = []) {
  flatten(blockers, sync, async, (values) => {
    create_effect(RENDER_EFFECT, () => {
      fn(...values.map(get$1));
    });
  });
}
function deferred_template_effect(fn, sync = [], async = [], blockers = []) {
  flatten(blockers, sync, async, (values) => {
    create_effect(EFFECT, () => fn(...values.map(get$1)));
  });
}
function block(fn, flags2 = 0) {
  var effect2 = create_effect(BLOCK_EFFECT | flags2, fn);
  return effect2;
}
function managed(fn, flags2 = 0) {
  var effect2 = create_effect(MANAGED_EFFECT | flags2, fn);
  return effect2;
}
function branch(fn) {
  return create_effect(BRANCH_EFFECT | EFFECT_PRESERVED, fn);
}
function execute_effect_teardown(effect2) {
  var teardown2 = effect2.teardown;
  if (teardown2 !== null) {
    const previously_destroying_effect = is_destroying_effect;
    const previous_reaction = active_reaction;
    set_is_destroying_effect(true);
    set_active_reaction(null);
    try {
      teardown2.call(null);
    } catch (error) {
      invoke_error_boundary(error, effect2.parent);
    } finally {
      set_is_destroying_effect(previously_destroying_effect);
      set_active_reaction(previous_reaction);
    }
  }
}
function destroy_effect_children(signal, remove_dom = false) {
  var effect2 = signal.first;
  signal.first = signal.last = null;
  while (effect2 !== null) {
    const controller = effect2.ac;
    if (controller !== null) {
      without_reactive_context(() => {
        controller.abort(STALE_REACTION);
      });
    }
    var next = effect2.next;
    if ((effect2.f & ROOT_EFFECT) !== 0) {
      effect2.parent = null;
    } else {
      destroy_effect(effect2, remove_dom);
    }
    effect2 = next;
  }
}
function destroy_block_effect_children(signal) {
  var effect2 = signal.first;
  while (effect2 !== null) {
    var next = effect2.next;
    if ((effect2.f & BRANCH_EFFECT) === 0) {
      destroy_effect(effect2);
    }
    effect2 = next;
  }
}
function destroy_effect(effect2, remove_dom = true) {
  var removed = false;
  if ((remove_dom || (effect2.f & HEAD_EFFECT) !== 0) && effect2.nodes !== null && effect2.nodes.end !== null) {
    remove_effect_dom(
      effect2.nodes.start,
      /** @type {TemplateNode} */
      effect2.nodes.end
    );
    removed = true;
  }
  effect2.f |= DESTROYING;
  destroy_effect_children(effect2, remove_dom && !removed);
  remove_reactions(effect2, 0);
  var transitions = effect2.nodes && effect2.nodes.t;
  if (transitions !== null) {
    for (const transition of transitions) {
      transition.stop();
    }
  }
  execute_effect_teardown(effect2);
  effect2.f ^= DESTROYING;
  effect2.f |= DESTROYED;
  var parent = effect2.parent;
  if (parent !== null && parent.first !== null) {
    unlink_effect(effect2);
  }
  effect2.next = effect2.prev = effect2.teardown = effect2.ctx = effect2.deps = effect2.fn = effect2.nodes = effect2.ac = effect2.b = null;
}
function remove_effect_dom(node, end) {
  while (node !== null) {
    var next = node === end ? null : /* @__PURE__ */ get_next_sibling(node);
    node.remove();
    node = next;
  }
}
function unlink_effect(effect2) {
  var parent = effect2.parent;
  var prev = effect2.prev;
  var next = effect2.next;
  if (prev !== null) prev.next = next;
  if (next !== null) next.prev = prev;
  if (parent !== null) {
    if (parent.first === effect2) parent.first = next;
    if (parent.last === effect2) parent.last = prev;
  }
}
function pause_effect(effect2, callback, destroy = true) {
  var transitions = [];
  effect2.f |= PAUSED;
  pause_children(effect2, transitions, true);
  var fn = () => {
    if (destroy) destroy_effect(effect2);
    if (callback) callback();
  };
  var remaining = transitions.length;
  if (remaining > 0) {
    var check = () => --remaining || fn();
    for (var transition of transitions) {
      transition.out(check);
    }
  } else {
    fn();
  }
}
function pause_children(effect2, transitions, local) {
  if ((effect2.f & INERT) !== 0) return;
  effect2.f ^= INERT;
  var t = effect2.nodes && effect2.nodes.t;
  if (t !== null) {
    for (const transition of t) {
      if (transition.is_global || local) {
        transitions.push(transition);
      }
    }
  }
  var child2 = effect2.first;
  while (child2 !== null) {
    var sibling2 = child2.next;
    if ((child2.f & ROOT_EFFECT) === 0) {
      var transparent = (child2.f & EFFECT_TRANSPARENT) !== 0 || // If this is a branch effect without a block effect parent,
      // it means the parent block effect was pruned. In that case,
      // transparency information was transferred to the branch effect.
      (child2.f & BRANCH_EFFECT) !== 0 && (effect2.f & BLOCK_EFFECT) !== 0;
      pause_children(child2, transitions, transparent ? local : false);
    }
    child2 = sibling2;
  }
}
function resume_effect(effect2) {
  effect2.f &= ~PAUSED;
  resume_children(effect2, true);
}
function resume_children(effect2, local) {
  if ((effect2.f & PAUSED) !== 0) return;
  if ((effect2.f & INERT) === 0) return;
  effect2.f ^= INERT;
  if ((effect2.f & CLEAN) === 0) {
    set_signal_status(effect2, DIRTY);
    Batch.ensure().schedule(effect2);
  }
  var child2 = effect2.first;
  while (child2 !== null) {
    var sibling2 = child2.next;
    var transparent = (child2.f & EFFECT_TRANSPARENT) !== 0 || (child2.f & BRANCH_EFFECT) !== 0;
    resume_children(child2, transparent ? local : false);
    child2 = sibling2;
  }
  var t = effect2.nodes && effect2.nodes.t;
  if (t !== null) {
    for (const transition of t) {
      if (transition.is_global || local) {
        transition.in();
      }
    }
  }
}
function move_effect(effect2, fragment) {
  if (!effect2.nodes) return;
  var node = effect2.nodes.start;
  var end = effect2.nodes.end;
  while (node !== null) {
    var next = node === end ? null : /* @__PURE__ */ get_next_sibling(node);
    fragment.append(node);
    node = next;
  }
}
let is_destroying_effect = false;
function set_is_destroying_effect(value) {
  is_destroying_effect = value;
}
let active_reaction = null;
let untracking = false;
function set_active_reaction(reaction) {
  active_reaction = reaction;
}
let active_effect = null;
function set_active_effect(effect2) {
  active_effect = effect2;
}
let current_sources = null;
function push_reaction_value(value) {
  if (active_reaction !== null && ((active_reaction.f & REACTION_IS_UPDATING) !== 0 || (active_reaction.f & DERIVED) !== 0)) {
    (current_sources ??= /* @__PURE__ */ new Set()).add(value);
  }
}
let new_deps = null;
let skipped_deps = 0;
let untracked_writes = null;
function set_untracked_writes(value) {
  untracked_writes = value;
}
let write_version = 1;
let read_version = 0;
let update_version = read_version;
function set_update_version(value) {
  update_version = value;
}
function increment_write_version() {
  return ++write_version;
}
function is_dirty(reaction) {
  var flags2 = reaction.f;
  if ((flags2 & DIRTY) !== 0) {
    return true;
  }
  if ((flags2 & MAYBE_DIRTY) !== 0) {
    var dependencies = (
      /** @type {Value[]} */
      reaction.deps
    );
    var length2 = dependencies.length;
    for (var i = 0; i < length2; i++) {
      var dependency = dependencies[i];
      if (is_dirty(
        /** @type {Derived} */
        dependency
      )) {
        update_derived(
          /** @type {Derived} */
          dependency
        );
      }
      if (dependency.wv > reaction.wv) {
        return true;
      }
    }
    if ((flags2 & CONNECTED) !== 0 && // During time traveling we don't want to reset the status so that
    // traversal of the graph in the other batches still happens
    batch_values === null) {
      set_signal_status(reaction, CLEAN);
    }
  }
  return false;
}
function schedule_possible_effect_self_invalidation(signal, effect2, root2 = true) {
  var reactions = signal.reactions;
  if (reactions === null) return;
  if (current_sources !== null && current_sources.has(signal)) {
    return;
  }
  for (var i = 0; i < reactions.length; i++) {
    var reaction = reactions[i];
    if ((reaction.f & DERIVED) !== 0) {
      schedule_possible_effect_self_invalidation(
        /** @type {Derived} */
        reaction,
        effect2,
        false
      );
    } else if (effect2 === reaction) {
      if (root2) {
        set_signal_status(reaction, DIRTY);
      } else if ((reaction.f & CLEAN) !== 0) {
        set_signal_status(reaction, MAYBE_DIRTY);
      }
      schedule_effect(
        /** @type {Effect} */
        reaction
      );
    }
  }
}
function update_reaction(reaction) {
  var previous_deps = new_deps;
  var previous_skipped_deps = skipped_deps;
  var previous_untracked_writes = untracked_writes;
  var previous_reaction = active_reaction;
  var previous_sources = current_sources;
  var previous_component_context = component_context;
  var previous_untracking = untracking;
  var previous_update_version = update_version;
  var flags2 = reaction.f;
  new_deps = /** @type {null | Value[]} */
  null;
  skipped_deps = 0;
  untracked_writes = null;
  active_reaction = (flags2 & (BRANCH_EFFECT | ROOT_EFFECT)) === 0 ? reaction : null;
  current_sources = null;
  set_component_context(reaction.ctx);
  untracking = false;
  update_version = ++read_version;
  if (reaction.ac !== null) {
    without_reactive_context(() => {
      reaction.ac.abort(STALE_REACTION);
    });
    reaction.ac = null;
  }
  try {
    reaction.f |= REACTION_IS_UPDATING;
    var fn = (
      /** @type {Function} */
      reaction.fn
    );
    var result = fn();
    reaction.f |= REACTION_RAN;
    var deps = update_dependencies(reaction);
    if (is_runes() && untracked_writes !== null && !untracking && deps !== null && (reaction.f & (DERIVED | MAYBE_DIRTY | DIRTY)) === 0) {
      for (var i = 0; i < /** @type {Source[]} */
      untracked_writes.length; i++) {
        schedule_possible_effect_self_invalidation(
          untracked_writes[i],
          /** @type {Effect} */
          reaction
        );
      }
    }
    if (previous_reaction !== null && previous_reaction !== reaction) {
      read_version++;
      if (previous_reaction.deps !== null) {
        for (let i2 = 0; i2 < previous_skipped_deps; i2 += 1) {
          previous_reaction.deps[i2].rv = read_version;
        }
      }
      if (previous_deps !== null) {
        for (const dep of previous_deps) {
          dep.rv = read_version;
        }
      }
      if (untracked_writes !== null) {
        if (previous_untracked_writes === null) {
          previous_untracked_writes = untracked_writes;
        } else {
          previous_untracked_writes.push(.../** @type {Source[]} */
          untracked_writes);
        }
      }
    }
    if ((reaction.f & ERROR_VALUE) !== 0) {
      reaction.f ^= ERROR_VALUE;
    }
    return result;
  } catch (error) {
    update_dependencies(reaction);
    return handle_error(error);
  } finally {
    reaction.f ^= REACTION_IS_UPDATING;
    new_deps = previous_deps;
    skipped_deps = previous_skipped_deps;
    untracked_writes = previous_untracked_writes;
    active_reaction = previous_reaction;
    current_sources = previous_sources;
    set_component_context(previous_component_context);
    untracking = previous_untracking;
    update_version = previous_update_version;
  }
}
function update_dependencies(reaction) {
  var deps = reaction.deps;
  var is_fork = current_batch?.is_fork;
  if (new_deps !== null) {
    var i;
    if (!is_fork) {
      remove_reactions(reaction, skipped_deps);
    }
    if (deps !== null && skipped_deps > 0) {
      deps.length = skipped_deps + new_deps.length;
      for (i = 0; i < new_deps.length; i++) {
        deps[skipped_deps + i] = new_deps[i];
      }
    } else {
      reaction.deps = deps = new_deps;
    }
    if (effect_tracking() && (reaction.f & CONNECTED) !== 0) {
      for (i = skipped_deps; i < deps.length; i++) {
        (deps[i].reactions ??= []).push(reaction);
      }
    }
  } else if (!is_fork && deps !== null && skipped_deps < deps.length) {
    remove_reactions(reaction, skipped_deps);
    deps.length = skipped_deps;
  }
  return deps;
}
function remove_reaction(signal, dependency) {
  let reactions = dependency.reactions;
  if (reactions !== null) {
    var index2 = index_of.call(reactions, signal);
    if (index2 !== -1) {
      var new_length = reactions.length - 1;
      if (new_length === 0) {
        reactions = dependency.reactions = null;
      } else {
        reactions[index2] = reactions[new_length];
        reactions.pop();
      }
    }
  }
  if (reactions === null && (dependency.f & DERIVED) !== 0 && // Destroying a child effect while updating a parent effect can cause a dependency to appear
  // to be unused, when in fact it is used by the currently-updating parent. Checking `new_deps`
  // allows us to skip the expensive work of disconnecting and immediately reconnecting it
  (new_deps === null || !includes.call(new_deps, dependency))) {
    var derived2 = (
      /** @type {Derived} */
      dependency
    );
    if ((derived2.f & CONNECTED) !== 0) {
      derived2.f ^= CONNECTED;
    }
    if (derived2.v !== UNINITIALIZED) {
      update_derived_status(derived2);
    }
    if (derived2.ac !== null) {
      without_reactive_context(() => {
        derived2.ac.abort(STALE_REACTION);
        derived2.ac = null;
        set_signal_status(derived2, DIRTY);
      });
    }
    freeze_derived_effects(derived2);
    remove_reactions(derived2, 0);
  }
}
function remove_reactions(signal, start_index) {
  var dependencies = signal.deps;
  if (dependencies === null) return;
  for (var i = start_index; i < dependencies.length; i++) {
    remove_reaction(signal, dependencies[i]);
  }
}
function update_effect(effect2) {
  var flags2 = effect2.f;
  if ((flags2 & DESTROYED) !== 0) {
    return;
  }
  set_signal_status(effect2, CLEAN);
  var previous_effect = active_effect;
  active_effect = effect2;
  try {
    if ((flags2 & (BLOCK_EFFECT | MANAGED_EFFECT)) !== 0) {
      destroy_block_effect_children(effect2);
    } else {
      destroy_effect_children(effect2);
    }
    execute_effect_teardown(effect2);
    var teardown2 = update_reaction(effect2);
    effect2.teardown = typeof teardown2 === "function" ? teardown2 : null;
    effect2.wv = write_version;
    var dep;
    if (DEV && tracing_mode_flag && (effect2.f & DIRTY) !== 0 && effect2.deps !== null) ;
  } finally {
    active_effect = previous_effect;
  }
}
async function tick() {
  await Promise.resolve();
  flushSync();
}
function get$1(signal) {
  var flags2 = signal.f;
  var is_derived = (flags2 & DERIVED) !== 0;
  if (active_reaction !== null && !untracking) {
    var destroyed = active_effect !== null && (active_effect.f & DESTROYED) !== 0;
    if (!destroyed && (current_sources === null || !current_sources.has(signal))) {
      var deps = active_reaction.deps;
      if ((active_reaction.f & REACTION_IS_UPDATING) !== 0) {
        if (signal.rv < read_version) {
          signal.rv = read_version;
          if (new_deps === null && deps !== null && deps[skipped_deps] === signal) {
            skipped_deps++;
          } else if (new_deps === null) {
            new_deps = [signal];
          } else {
            new_deps.push(signal);
          }
        }
      } else {
        active_reaction.deps ??= [];
        if (!includes.call(active_reaction.deps, signal)) {
          active_reaction.deps.push(signal);
        }
        var reactions = signal.reactions;
        if (reactions === null) {
          signal.reactions = [active_reaction];
        } else if (!includes.call(reactions, active_reaction)) {
          reactions.push(active_reaction);
        }
      }
    }
  }
  if (is_destroying_effect && old_values.has(signal)) {
    return old_values.get(signal);
  }
  if (is_derived) {
    var derived2 = (
      /** @type {Derived} */
      signal
    );
    if (is_destroying_effect) {
      var value = derived2.v;
      if ((derived2.f & CLEAN) === 0 && derived2.reactions !== null || depends_on_old_values(derived2)) {
        value = execute_derived(derived2);
      }
      old_values.set(derived2, value);
      return value;
    }
    var should_connect = (derived2.f & CONNECTED) === 0 && !untracking && active_reaction !== null && (active_reaction.f & CONNECTED) !== 0;
    var is_new = (derived2.f & REACTION_RAN) === 0;
    if (is_dirty(derived2)) {
      if (should_connect) {
        derived2.f |= CONNECTED;
      }
      update_derived(derived2);
    }
    if (should_connect && !is_new) {
      unfreeze_derived_effects(derived2);
      reconnect(derived2);
    }
  }
  if (batch_values?.has(signal)) {
    return batch_values.get(signal);
  }
  if ((signal.f & ERROR_VALUE) !== 0) {
    throw signal.v;
  }
  return signal.v;
}
function reconnect(derived2) {
  derived2.f |= CONNECTED;
  if (derived2.deps === null) return;
  for (const dep of derived2.deps) {
    var reactions = dep.reactions;
    if (reactions === null) {
      dep.reactions = [derived2];
    } else if (!includes.call(reactions, derived2)) {
      reactions.push(derived2);
    }
    if ((dep.f & DERIVED) !== 0 && (dep.f & CONNECTED) === 0) {
      unfreeze_derived_effects(
        /** @type {Derived} */
        dep
      );
      reconnect(
        /** @type {Derived} */
        dep
      );
    }
  }
}
function depends_on_old_values(derived2) {
  if (derived2.v === UNINITIALIZED) return true;
  if (derived2.deps === null) return false;
  for (const dep of derived2.deps) {
    if (old_values.has(dep)) {
      return true;
    }
    if ((dep.f & DERIVED) !== 0 && depends_on_old_values(
      /** @type {Derived} */
      dep
    )) {
      return true;
    }
  }
  return false;
}
function untrack(fn) {
  var previous_untracking = untracking;
  try {
    untracking = true;
    return fn();
  } finally {
    untracking = previous_untracking;
  }
}
function deep_read_state(value) {
  if (typeof value !== "object" || !value || value instanceof EventTarget) {
    return;
  }
  if (STATE_SYMBOL in value) {
    deep_read(value);
  } else if (!Array.isArray(value)) {
    for (let key2 in value) {
      const prop2 = value[key2];
      if (typeof prop2 === "object" && prop2 && STATE_SYMBOL in prop2) {
        deep_read(prop2);
      }
    }
  }
}
function deep_read(value, visited = /* @__PURE__ */ new Set()) {
  if (typeof value === "object" && value !== null && // We don't want to traverse DOM elements
  !(value instanceof EventTarget) && !visited.has(value)) {
    visited.add(value);
    if (value instanceof Date) {
      value.getTime();
    }
    for (let key2 in value) {
      try {
        deep_read(value[key2], visited);
      } catch (e) {
      }
    }
    const proto = get_prototype_of(value);
    if (proto !== Object.prototype && proto !== Array.prototype && proto !== Map.prototype && proto !== Set.prototype && proto !== Date.prototype) {
      const descriptors = get_descriptors(proto);
      for (let key2 in descriptors) {
        const get2 = descriptors[key2].get;
        if (get2) {
          try {
            get2.call(value);
          } catch (e) {
          }
        }
      }
    }
  }
}
function is_capture_event(name) {
  return name.endsWith("capture") && name !== "gotpointercapture" && name !== "lostpointercapture";
}
const DELEGATED_EVENTS = [
  "beforeinput",
  "click",
  "change",
  "dblclick",
  "contextmenu",
  "focusin",
  "focusout",
  "input",
  "keydown",
  "keyup",
  "mousedown",
  "mousemove",
  "mouseout",
  "mouseover",
  "mouseup",
  "pointerdown",
  "pointermove",
  "pointerout",
  "pointerover",
  "pointerup",
  "touchend",
  "touchmove",
  "touchstart"
];
function can_delegate_event(event_name) {
  return DELEGATED_EVENTS.includes(event_name);
}
const ATTRIBUTE_ALIASES = {
  // no `class: 'className'` because we handle that separately
  formnovalidate: "formNoValidate",
  ismap: "isMap",
  nomodule: "noModule",
  playsinline: "playsInline",
  readonly: "readOnly",
  defaultvalue: "defaultValue",
  defaultchecked: "defaultChecked",
  srcobject: "srcObject",
  novalidate: "noValidate",
  allowfullscreen: "allowFullscreen",
  disablepictureinpicture: "disablePictureInPicture",
  disableremoteplayback: "disableRemotePlayback"
};
function normalize_attribute(name) {
  name = name.toLowerCase();
  return ATTRIBUTE_ALIASES[name] ?? name;
}
const PASSIVE_EVENTS = ["touchstart", "touchmove"];
function is_passive_event(name) {
  return PASSIVE_EVENTS.includes(name);
}
const event_symbol = Symbol("events");
const all_registered_events = /* @__PURE__ */ new Set();
const root_event_handles = /* @__PURE__ */ new Set();
function create_event(event_name, dom, handler, options = {}) {
  function target_handler(event2) {
    if (!options.capture) {
      handle_event_propagation.call(dom, event2);
    }
    if (!event2.cancelBubble) {
      return without_reactive_context(() => {
        return handler?.call(this, event2);
      });
    }
  }
  if (event_name.startsWith("pointer") || event_name.startsWith("touch") || event_name === "wheel") {
    target_handler.__removed = false;
    queue_micro_task(() => {
      if (!target_handler.__removed) {
        dom.addEventListener(event_name, target_handler, options);
      }
    });
  } else {
    dom.addEventListener(event_name, target_handler, options);
  }
  return target_handler;
}
function event(event_name, dom, handler, capture2, passive) {
  var options = { capture: capture2, passive };
  var target_handler = create_event(event_name, dom, handler, options);
  if (dom === document.body || // @ts-ignore
  dom === window || // @ts-ignore
  dom === document || // Firefox has quirky behavior, it can happen that we still get "canplay" events when the element is already removed
  dom instanceof HTMLMediaElement) {
    teardown(() => {
      target_handler.__removed = true;
      dom.removeEventListener(event_name, target_handler, options);
    });
  }
}
function delegated(event_name, element, handler) {
  (element[event_symbol] ??= {})[event_name] = handler;
}
function delegate(events) {
  for (var i = 0; i < events.length; i++) {
    all_registered_events.add(events[i]);
  }
  for (var fn of root_event_handles) {
    fn(events);
  }
}
let last_propagated_event = null;
let last_propagated_event_clear_scheduled = false;
function handle_event_propagation(event2) {
  var handler_element = this;
  var owner_document = (
    /** @type {Node} */
    handler_element.ownerDocument
  );
  var event_name = event2.type;
  var path = event2.composedPath?.() || [];
  var current_target = (
    /** @type {null | Element} */
    path[0] || event2.target
  );
  last_propagated_event = event2;
  if (!last_propagated_event_clear_scheduled) {
    last_propagated_event_clear_scheduled = true;
    setTimeout(() => {
      last_propagated_event_clear_scheduled = false;
      last_propagated_event = null;
    });
  }
  var path_idx = 0;
  var handled_at = last_propagated_event === event2 && event2[event_symbol];
  if (handled_at) {
    var at_idx = path.indexOf(handled_at);
    if (at_idx !== -1 && (handler_element === document || handler_element === /** @type {any} */
    window)) {
      event2[event_symbol] = handler_element;
      return;
    }
    var handler_idx = path.indexOf(handler_element);
    if (handler_idx === -1) {
      return;
    }
    if (at_idx <= handler_idx) {
      path_idx = at_idx;
    }
  }
  current_target = /** @type {Element} */
  path[path_idx] || event2.target;
  if (current_target === handler_element) return;
  define_property(event2, "currentTarget", {
    configurable: true,
    get() {
      return current_target || owner_document;
    }
  });
  var previous_reaction = active_reaction;
  var previous_effect = active_effect;
  set_active_reaction(null);
  set_active_effect(null);
  try {
    var throw_error;
    var other_errors = [];
    while (current_target !== null) {
      if (current_target === handler_element) break;
      try {
        var delegated2 = current_target[event_symbol]?.[event_name];
        if (delegated2 != null && (!/** @type {any} */
        current_target.disabled || // DOM could've been updated already by the time this is reached, so we check this as well
        // -> the target could not have been disabled because it emits the event in the first place
        event2.target === current_target)) {
          delegated2.call(current_target, event2);
        }
      } catch (error) {
        if (throw_error) {
          other_errors.push(error);
        } else {
          throw_error = error;
        }
      }
      if (event2.cancelBubble) break;
      path_idx++;
      current_target = path_idx < path.length ? (
        /** @type {Element} */
        path[path_idx]
      ) : null;
    }
    if (throw_error) {
      for (let error of other_errors) {
        queueMicrotask(() => {
          throw error;
        });
      }
      throw throw_error;
    }
  } finally {
    event2[event_symbol] = handler_element;
    delete event2.currentTarget;
    set_active_reaction(previous_reaction);
    set_active_effect(previous_effect);
  }
}
const policy = (
  // We gotta write it like this because after downleveling the pure comment may end up in the wrong location
  globalThis?.window?.trustedTypes && /* @__PURE__ */ globalThis.window.trustedTypes.createPolicy("svelte-trusted-html", {
    /** @param {string} html */
    createHTML: (html) => {
      return html;
    }
  })
);
function create_trusted_html(html) {
  return (
    /** @type {string} */
    policy?.createHTML(html) ?? html
  );
}
function create_fragment_from_html(html) {
  var elem = create_element("template");
  elem.innerHTML = create_trusted_html(html.replaceAll("<!>", "<!---->"));
  return elem.content;
}
function assign_nodes(start, end) {
  var effect2 = (
    /** @type {Effect} */
    active_effect
  );
  if (effect2.nodes === null) {
    effect2.nodes = { start, end, a: null, t: null };
  }
}
// @__NO_SIDE_EFFECTS__
function from_html(content, flags2) {
  var is_fragment = (flags2 & TEMPLATE_FRAGMENT) !== 0;
  var use_import_node = (flags2 & TEMPLATE_USE_IMPORT_NODE) !== 0;
  var node;
  var has_start = !content.startsWith("<!>");
  return () => {
    if (node === void 0) {
      node = create_fragment_from_html(has_start ? content : "<!>" + content);
      if (!is_fragment) node = /** @type {TemplateNode} */
      /* @__PURE__ */ get_first_child(node);
    }
    var clone = (
      /** @type {TemplateNode} */
      use_import_node || is_firefox ? document.importNode(node, true) : node.cloneNode(true)
    );
    if (is_fragment) {
      var start = (
        /** @type {TemplateNode} */
        /* @__PURE__ */ get_first_child(clone)
      );
      var end = (
        /** @type {TemplateNode} */
        clone.lastChild
      );
      assign_nodes(start, end);
    } else {
      assign_nodes(clone, clone);
    }
    return clone;
  };
}
// @__NO_SIDE_EFFECTS__
function from_namespace(content, flags2, ns = "svg") {
  var has_start = !content.startsWith("<!>");
  var wrapped = `<${ns}>${has_start ? content : "<!>" + content}</${ns}>`;
  var node;
  return () => {
    if (!node) {
      var fragment = (
        /** @type {DocumentFragment} */
        create_fragment_from_html(wrapped)
      );
      var root2 = (
        /** @type {Element} */
        /* @__PURE__ */ get_first_child(fragment)
      );
      {
        node = /** @type {Element} */
        /* @__PURE__ */ get_first_child(root2);
      }
    }
    var clone = (
      /** @type {TemplateNode} */
      node.cloneNode(true)
    );
    {
      assign_nodes(clone, clone);
    }
    return clone;
  };
}
// @__NO_SIDE_EFFECTS__
function from_svg(content, flags2) {
  return /* @__PURE__ */ from_namespace(content, flags2, "svg");
}
function text(value = "") {
  {
    var t = create_text(value + "");
    assign_nodes(t, t);
    return t;
  }
}
function comment() {
  var frag = document.createDocumentFragment();
  var start = document.createComment("");
  var anchor = create_text();
  frag.append(start, anchor);
  assign_nodes(start, anchor);
  return frag;
}
function append(anchor, dom) {
  if (anchor === null) {
    return;
  }
  anchor.before(
    /** @type {Node} */
    dom
  );
}
function props_id() {
  (window.__svelte ??= {}).uid ??= 1;
  return `c${window.__svelte.uid++}`;
}
function createSubscriber(start) {
  let subscribers = 0;
  let version = source(0);
  let stop;
  return () => {
    if (effect_tracking()) {
      get$1(version);
      render_effect(() => {
        if (subscribers === 0) {
          stop = untrack(() => start(() => increment(version)));
        }
        subscribers += 1;
        return () => {
          queue_micro_task(() => {
            subscribers -= 1;
            if (subscribers === 0) {
              stop?.();
              stop = void 0;
              increment(version);
            }
          });
        };
      });
    }
  };
}
var flags = EFFECT_TRANSPARENT | EFFECT_PRESERVED;
function boundary(node, props, children, transform_error) {
  new Boundary(node, props, children, transform_error);
}
class Boundary {
  /** @type {Boundary | null} */
  parent;
  is_pending = false;
  /**
   * API-level transformError transform function. Transforms errors before they reach the `failed` snippet.
   * Inherited from parent boundary, or defaults to identity.
   * @type {(error: unknown) => unknown}
   */
  transform_error;
  /** @type {TemplateNode} */
  #anchor;
  /** @type {TemplateNode | null} */
  #hydrate_open = null;
  /** @type {BoundaryProps} */
  #props;
  /** @type {((anchor: Node) => void)} */
  #children;
  /** @type {Effect} */
  #effect;
  /** @type {Effect | null} */
  #main_effect = null;
  /** @type {Effect | null} */
  #pending_effect = null;
  /** @type {Effect | null} */
  #failed_effect = null;
  /** @type {DocumentFragment | null} */
  #offscreen_fragment = null;
  #local_pending_count = 0;
  #pending_count = 0;
  #pending_count_update_queued = false;
  /** @type {Map<Effect, number>} */
  #dirty_reactions = /* @__PURE__ */ new Map();
  /**
   * A source containing the number of pending async deriveds/expressions.
   * Only created if `$effect.pending()` is used inside the boundary,
   * otherwise updating the source results in needless `Batch.ensure()`
   * calls followed by no-op flushes
   * @type {Source<number> | null}
   */
  #effect_pending = null;
  #effect_pending_subscriber = createSubscriber(() => {
    this.#effect_pending = source(this.#local_pending_count);
    return () => {
      this.#effect_pending = null;
    };
  });
  /**
   * @param {TemplateNode} node
   * @param {BoundaryProps} props
   * @param {((anchor: Node) => void)} children
   * @param {((error: unknown) => unknown) | undefined} [transform_error]
   */
  constructor(node, props, children, transform_error) {
    this.#anchor = node;
    this.#props = props;
    this.#children = (anchor) => {
      var effect2 = (
        /** @type {Effect} */
        active_effect
      );
      effect2.b = this;
      effect2.f |= BOUNDARY_EFFECT;
      children(anchor);
    };
    this.parent = /** @type {Effect} */
    active_effect.b;
    this.transform_error = transform_error ?? this.parent?.transform_error ?? ((e) => e);
    this.#effect = block(() => {
      {
        this.#render();
      }
    }, flags);
  }
  #hydrate_resolved_content() {
    try {
      this.#main_effect = branch(() => this.#children(this.#anchor));
    } catch (error) {
      this.error(error);
    }
  }
  /**
   * @param {unknown} error The deserialized error from the server's hydration comment
   */
  #hydrate_failed_content(error) {
    const failed = this.#props.failed;
    const { reset, invoke_onerror } = this.#create_reset(error);
    queue_micro_task(invoke_onerror);
    if (!failed) return;
    this.#failed_effect = branch(() => {
      failed(
        this.#anchor,
        () => error,
        () => reset
      );
    });
  }
  /**
   * Creates the `reset` function for a failed boundary, along with a function
   * that invokes `onerror` with it (if provided)
   * @param {unknown} error
   * @returns {{ reset: () => void, invoke_onerror: () => void }}
   */
  #create_reset(error) {
    var did_reset = false;
    var calling_on_error = false;
    const reset = () => {
      if (this.#is_destroyed()) return;
      if (did_reset) {
        svelte_boundary_reset_noop();
        return;
      }
      did_reset = true;
      if (calling_on_error) {
        svelte_boundary_reset_onerror();
      }
      if (this.#failed_effect !== null) {
        pause_effect(this.#failed_effect, () => {
          this.#failed_effect = null;
        });
      }
      this.#run(() => {
        this.#render();
      });
    };
    const invoke_onerror = () => {
      if (this.#is_destroyed()) return;
      try {
        calling_on_error = true;
        this.#props.onerror?.(error, reset);
        calling_on_error = false;
      } catch (err) {
        invoke_error_boundary(err, this.#effect && this.#effect.parent);
      }
    };
    return { reset, invoke_onerror };
  }
  #is_destroyed() {
    return (this.#effect.f & (DESTROYED | DESTROYING)) !== 0;
  }
  #hydrate_pending_content() {
    const pending2 = this.#props.pending;
    if (!pending2) return;
    this.is_pending = true;
    this.#pending_effect = branch(() => pending2(this.#anchor));
    queue_micro_task(() => {
      if (this.#is_destroyed()) return;
      var fragment = this.#offscreen_fragment = document.createDocumentFragment();
      var anchor = create_text();
      var handled = false;
      fragment.append(anchor);
      this.#main_effect = this.#run(() => {
        try {
          return branch(() => this.#children(anchor));
        } catch (error) {
          try {
            this.error(error);
            handled = true;
          } catch (error2) {
            invoke_error_boundary(error2, this.#effect.parent);
          }
          return null;
        }
      });
      if (this.#main_effect === null) {
        this.#offscreen_fragment = null;
        if (handled) this.#resolve(
          /** @type {Batch} */
          current_batch
        );
        return;
      }
      if (this.#pending_count === 0) {
        this.#anchor.before(fragment);
        this.#offscreen_fragment = null;
        pause_effect(
          /** @type {Effect} */
          this.#pending_effect,
          () => {
            this.#pending_effect = null;
          }
        );
        this.#resolve(
          /** @type {Batch} */
          current_batch
        );
      }
    });
  }
  #render() {
    try {
      this.is_pending = this.has_pending_snippet();
      this.#pending_count = 0;
      this.#local_pending_count = 0;
      this.#main_effect = branch(() => {
        this.#children(this.#anchor);
      });
      if (this.#pending_count > 0) {
        var fragment = this.#offscreen_fragment = document.createDocumentFragment();
        move_effect(this.#main_effect, fragment);
        const pending2 = (
          /** @type {(anchor: Node) => void} */
          this.#props.pending
        );
        this.#pending_effect = branch(() => pending2(this.#anchor));
      } else {
        this.#resolve(
          /** @type {Batch} */
          current_batch
        );
      }
    } catch (error) {
      this.error(error);
    }
  }
  /**
   * @param {Batch} batch
   */
  #resolve(batch) {
    this.is_pending = false;
    batch.transfer_reactions(this.#dirty_reactions);
  }
  /**
   * Defer an effect inside a pending boundary until the boundary resolves
   * @param {Effect} effect
   */
  defer_effect(effect2) {
    defer_effect(effect2, this.#dirty_reactions);
  }
  /**
   * Returns `false` if the effect exists inside a boundary whose pending snippet is shown
   * @returns {boolean}
   */
  is_rendered() {
    return !this.is_pending && (!this.parent || this.parent.is_rendered());
  }
  has_pending_snippet() {
    return !!this.#props.pending;
  }
  /**
   * @template T
   * @param {() => T} fn
   */
  #run(fn) {
    var previous_effect = active_effect;
    var previous_reaction = active_reaction;
    var previous_ctx = component_context;
    set_active_effect(this.#effect);
    set_active_reaction(this.#effect);
    set_component_context(this.#effect.ctx);
    try {
      Batch.ensure();
      return fn();
    } finally {
      set_active_effect(previous_effect);
      set_active_reaction(previous_reaction);
      set_component_context(previous_ctx);
    }
  }
  /**
   * Updates the pending count associated with the currently visible pending snippet,
   * if any, such that we can replace the snippet with content once work is done
   * @param {1 | -1} d
   * @param {Batch} batch
   */
  #update_pending_count(d, batch) {
    if (!this.has_pending_snippet()) {
      if (this.parent) {
        this.parent.#update_pending_count(d, batch);
      }
      return;
    }
    this.#pending_count += d;
    if (this.#pending_count === 0) {
      this.#resolve(batch);
      if (this.#pending_effect) {
        pause_effect(this.#pending_effect, () => {
          this.#pending_effect = null;
        });
      }
      if (this.#offscreen_fragment) {
        this.#anchor.before(this.#offscreen_fragment);
        this.#offscreen_fragment = null;
      }
    }
  }
  /**
   * Update the source that powers `$effect.pending()` inside this boundary,
   * and controls when the current `pending` snippet (if any) is removed.
   * Do not call from inside the class
   * @param {1 | -1} d
   * @param {Batch} batch
   */
  update_pending_count(d, batch) {
    this.#update_pending_count(d, batch);
    this.#local_pending_count += d;
    if (!this.#effect_pending || this.#pending_count_update_queued) return;
    this.#pending_count_update_queued = true;
    queue_micro_task(() => {
      this.#pending_count_update_queued = false;
      if (this.#effect_pending) {
        internal_set(this.#effect_pending, this.#local_pending_count);
      }
    });
  }
  get_effect_pending() {
    this.#effect_pending_subscriber();
    return get$1(
      /** @type {Source<number>} */
      this.#effect_pending
    );
  }
  /** @param {unknown} error */
  error(error) {
    if (error === HYDRATION_ERROR) {
      throw error;
    }
    if (!this.#props.onerror && !this.#props.failed) {
      throw error;
    }
    if (current_batch?.is_fork) {
      if (this.#main_effect) current_batch.skip_effect(this.#main_effect);
      if (this.#pending_effect) current_batch.skip_effect(this.#pending_effect);
      if (this.#failed_effect) current_batch.skip_effect(this.#failed_effect);
      current_batch.oncommit(() => {
        if (!this.#is_destroyed()) this.#handle_error(error);
      });
    } else {
      this.#handle_error(error);
    }
  }
  /**
   * @param {unknown} error
   */
  #handle_error(error) {
    if (this.#main_effect) {
      destroy_effect(this.#main_effect);
      this.#main_effect = null;
    }
    if (this.#pending_effect) {
      destroy_effect(this.#pending_effect);
      this.#pending_effect = null;
    }
    if (this.#failed_effect) {
      destroy_effect(this.#failed_effect);
      this.#failed_effect = null;
    }
    let failed = this.#props.failed;
    const handle_error_result = (transformed_error) => {
      if (this.#is_destroyed()) return;
      const { reset, invoke_onerror } = this.#create_reset(transformed_error);
      invoke_onerror();
      if (failed && !this.#is_destroyed()) {
        this.#failed_effect = this.#run(() => {
          try {
            return branch(() => {
              var effect2 = (
                /** @type {Effect} */
                active_effect
              );
              effect2.b = this;
              effect2.f |= BOUNDARY_EFFECT;
              failed(
                this.#anchor,
                () => transformed_error,
                () => reset
              );
            });
          } catch (error2) {
            invoke_error_boundary(
              error2,
              /** @type {Effect} */
              this.#effect.parent
            );
            return null;
          }
        });
      }
    };
    queue_micro_task(() => {
      if (this.#is_destroyed()) return;
      var result;
      try {
        result = this.transform_error(error);
      } catch (e) {
        invoke_error_boundary(e, this.#effect && this.#effect.parent);
        return;
      }
      if (result !== null && typeof result === "object" && typeof /** @type {any} */
      result.then === "function") {
        result.then(
          handle_error_result,
          /** @param {unknown} e */
          (e) => invoke_error_boundary(e, this.#effect && this.#effect.parent)
        );
      } else {
        handle_error_result(result);
      }
    });
  }
}
function set_text(text2, value) {
  var str = value == null ? "" : typeof value === "object" ? `${value}` : value;
  if (str !== /** @type {any} */
  (text2[TEXT_CACHE] ??= text2.nodeValue)) {
    text2[TEXT_CACHE] = str;
    text2.nodeValue = `${str}`;
  }
}
function mount(component, options) {
  return _mount(component, options);
}
const listeners$1 = /* @__PURE__ */ new Map();
function _mount(Component, { target: target2, anchor, props = {}, events, context, intro = true, transformError }) {
  init_operations();
  var component = void 0;
  var unmount = component_root(() => {
    var anchor_node = anchor ?? target2.appendChild(create_text());
    boundary(
      /** @type {TemplateNode} */
      anchor_node,
      {
        pending: () => {
        }
      },
      (anchor_node2) => {
        push({});
        var ctx = (
          /** @type {ComponentContext} */
          component_context
        );
        if (context) ctx.c = context;
        if (events) {
          props.$$events = events;
        }
        component = Component(anchor_node2, props) || mark_as_component();
        pop();
      },
      transformError
    );
    var registered_events = /* @__PURE__ */ new Set();
    var event_handle = (events2) => {
      for (var i = 0; i < events2.length; i++) {
        var event_name = events2[i];
        if (registered_events.has(event_name)) continue;
        registered_events.add(event_name);
        var passive = is_passive_event(event_name);
        for (const node of [target2, document]) {
          var counts = listeners$1.get(node);
          if (counts === void 0) {
            counts = /* @__PURE__ */ new Map();
            listeners$1.set(node, counts);
          }
          var count = counts.get(event_name);
          if (count === void 0) {
            node.addEventListener(event_name, handle_event_propagation, { passive });
            counts.set(event_name, 1);
          } else {
            counts.set(event_name, count + 1);
          }
        }
      }
    };
    event_handle(array_from(all_registered_events));
    root_event_handles.add(event_handle);
    return () => {
      for (var event_name of registered_events) {
        for (const node of [target2, document]) {
          var counts = (
            /** @type {Map<string, number>} */
            listeners$1.get(node)
          );
          var count = (
            /** @type {number} */
            counts.get(event_name)
          );
          if (--count == 0) {
            node.removeEventListener(event_name, handle_event_propagation);
            counts.delete(event_name);
            if (counts.size === 0) {
              listeners$1.delete(node);
            }
          } else {
            counts.set(event_name, count);
          }
        }
      }
      root_event_handles.delete(event_handle);
      if (anchor_node !== anchor) {
        anchor_node.parentNode?.removeChild(anchor_node);
      }
    };
  });
  mounted_components.set(component, unmount);
  return component;
}
let mounted_components = /* @__PURE__ */ new WeakMap();
class BranchManager {
  /** @type {TemplateNode} */
  anchor;
  /** @type {Map<Batch, Key>} */
  #batches = /* @__PURE__ */ new Map();
  /**
   * Map of keys to effects that are currently rendered in the DOM.
   * These effects are visible and actively part of the document tree.
   * Example:
   * ```
   * {#if condition}
   * 	foo
   * {:else}
   * 	bar
   * {/if}
   * ```
   * Can result in the entries `true->Effect` and `false->Effect`
   * @type {Map<Key, Effect>}
   */
  #onscreen = /* @__PURE__ */ new Map();
  /**
   * Similar to #onscreen with respect to the keys, but contains branches that are not yet
   * in the DOM, because their insertion is deferred.
   * @type {Map<Key, Branch>}
   */
  #offscreen = /* @__PURE__ */ new Map();
  /**
   * Keys of effects that are currently outroing
   * @type {Set<Key>}
   */
  #outroing = /* @__PURE__ */ new Set();
  /**
   * Whether to pause (i.e. outro) on change, or destroy immediately.
   * This is necessary for `<svelte:element>`
   */
  #transition = true;
  /**
   * @param {TemplateNode} anchor
   * @param {boolean} transition
   */
  constructor(anchor, transition = true) {
    this.anchor = anchor;
    this.#transition = transition;
  }
  /**
   * @param {Batch} batch
   */
  #commit = (batch) => {
    if (!this.#batches.has(batch)) return;
    var key2 = (
      /** @type {Key} */
      this.#batches.get(batch)
    );
    var onscreen = this.#onscreen.get(key2);
    if (onscreen) {
      resume_effect(onscreen);
      this.#outroing.delete(key2);
    } else {
      var offscreen = this.#offscreen.get(key2);
      if (offscreen) {
        resume_effect(offscreen.effect);
        this.#onscreen.set(key2, offscreen.effect);
        this.#offscreen.delete(key2);
        offscreen.fragment.lastChild.remove();
        this.anchor.before(offscreen.fragment);
        onscreen = offscreen.effect;
      }
    }
    for (const [b, k] of this.#batches) {
      this.#batches.delete(b);
      if (b === batch) {
        break;
      }
      const offscreen2 = this.#offscreen.get(k);
      if (offscreen2) {
        destroy_effect(offscreen2.effect);
        this.#offscreen.delete(k);
      }
    }
    for (const [k, effect2] of this.#onscreen) {
      if (k === key2 || this.#outroing.has(k)) continue;
      const on_destroy = () => {
        const keys = Array.from(this.#batches.values());
        if (keys.includes(k)) {
          var fragment = document.createDocumentFragment();
          move_effect(effect2, fragment);
          fragment.append(create_text());
          this.#offscreen.set(k, { effect: effect2, fragment });
        } else {
          destroy_effect(effect2);
        }
        this.#outroing.delete(k);
        this.#onscreen.delete(k);
      };
      if (this.#transition || !onscreen) {
        this.#outroing.add(k);
        pause_effect(effect2, on_destroy, false);
      } else {
        on_destroy();
      }
    }
  };
  /**
   * @param {Batch} batch
   */
  #discard = (batch) => {
    this.#batches.delete(batch);
    const keys = Array.from(this.#batches.values());
    for (const [k, branch2] of this.#offscreen) {
      if (!keys.includes(k)) {
        destroy_effect(branch2.effect);
        this.#offscreen.delete(k);
      }
    }
  };
  /**
   *
   * @param {any} key
   * @param {null | ((target: TemplateNode) => void)} fn
   */
  ensure(key2, fn) {
    var batch = (
      /** @type {Batch} */
      current_batch
    );
    var defer = should_defer_append();
    if (fn && !this.#onscreen.has(key2) && !this.#offscreen.has(key2)) {
      if (defer) {
        var fragment = document.createDocumentFragment();
        var target2 = create_text();
        fragment.append(target2);
        this.#offscreen.set(key2, {
          effect: branch(() => fn(target2)),
          fragment
        });
      } else {
        this.#onscreen.set(
          key2,
          branch(() => fn(this.anchor))
        );
      }
    }
    this.#batches.set(batch, key2);
    if (defer) {
      for (const [k, effect2] of this.#onscreen) {
        if (k === key2) {
          batch.unskip_effect(effect2);
        } else {
          batch.skip_effect(effect2);
        }
      }
      for (const [k, branch2] of this.#offscreen) {
        if (k === key2) {
          batch.unskip_effect(branch2.effect);
        } else {
          batch.skip_effect(branch2.effect);
        }
      }
      batch.oncommit(this.#commit);
      batch.ondiscard(this.#discard);
    } else {
      this.#commit(batch);
    }
  }
}
function if_block(node, fn, elseif = false) {
  var branches = new BranchManager(node);
  var flags2 = elseif ? EFFECT_TRANSPARENT : 0;
  function update_branch(key2, fn2) {
    branches.ensure(key2, fn2);
  }
  block(() => {
    var has_branch = false;
    fn((fn2, key2 = 0) => {
      has_branch = true;
      update_branch(key2, fn2);
    });
    if (!has_branch) {
      update_branch(-1, null);
    }
  }, flags2);
}
const NAN = Symbol("NaN");
function key(node, get_key, render_fn) {
  var branches = new BranchManager(node);
  var legacy = !is_runes();
  block(() => {
    var key2 = get_key();
    if (key2 !== key2) {
      key2 = /** @type {any} */
      NAN;
    }
    if (legacy && key2 !== null && typeof key2 === "object") {
      key2 = /** @type {V} */
      {};
    }
    branches.ensure(key2, render_fn);
  });
}
function index(_, i) {
  return i;
}
function pause_effects(state2, to_destroy, controlled_anchor) {
  var transitions = [];
  var length2 = to_destroy.length;
  var group;
  var remaining = to_destroy.length;
  for (var i = 0; i < length2; i++) {
    let effect2 = to_destroy[i];
    pause_effect(
      effect2,
      () => {
        if (group) {
          group.pending.delete(effect2);
          group.done.add(effect2);
          if (group.pending.size === 0) {
            var groups = (
              /** @type {Set<EachOutroGroup>} */
              state2.outrogroups
            );
            destroy_effects(state2, array_from(group.done));
            groups.delete(group);
            if (groups.size === 0) {
              state2.outrogroups = null;
            }
          }
        } else {
          remaining -= 1;
        }
      },
      false
    );
  }
  if (remaining === 0) {
    var fast_path = transitions.length === 0 && controlled_anchor !== null && state2.pending.size === 0;
    if (fast_path) {
      var anchor = (
        /** @type {Element} */
        controlled_anchor
      );
      var parent_node = (
        /** @type {Element} */
        anchor.parentNode
      );
      clear_text_content(parent_node);
      parent_node.append(anchor);
      state2.items.clear();
    }
    destroy_effects(state2, to_destroy, !fast_path);
  } else {
    group = {
      pending: new Set(to_destroy),
      done: /* @__PURE__ */ new Set()
    };
    (state2.outrogroups ??= /* @__PURE__ */ new Set()).add(group);
  }
}
function destroy_effects(state2, to_destroy, remove_dom = true) {
  var preserved_effects;
  if (state2.pending.size > 0) {
    preserved_effects = /* @__PURE__ */ new Set();
    for (const keys of state2.pending.values()) {
      for (const key2 of keys) {
        preserved_effects.add(
          /** @type {EachItem} */
          state2.items.get(key2).e
        );
      }
    }
  }
  for (var i = 0; i < to_destroy.length; i++) {
    var e = to_destroy[i];
    if (preserved_effects?.has(e)) {
      e.f |= EFFECT_OFFSCREEN;
      const fragment = document.createDocumentFragment();
      move_effect(e, fragment);
    } else {
      destroy_effect(to_destroy[i], remove_dom);
    }
  }
}
var offscreen_anchor;
function each(node, flags2, get_collection, get_key, render_fn, fallback_fn = null) {
  var anchor = node;
  var items2 = /* @__PURE__ */ new Map();
  var is_controlled = (flags2 & EACH_IS_CONTROLLED) !== 0;
  if (is_controlled) {
    var parent_node = (
      /** @type {Element} */
      node
    );
    anchor = parent_node.appendChild(create_text());
  }
  var fallback = null;
  var each_array = /* @__PURE__ */ derived_safe_equal(() => {
    var collection = get_collection();
    return (
      /** @type {V[]} */
      is_array(collection) ? collection : collection == null ? [] : array_from(collection)
    );
  });
  var pending2 = /* @__PURE__ */ new Map();
  var first_run = true;
  function commit(batch) {
    if ((state2.effect.f & DESTROYED) !== 0) {
      return;
    }
    state2.pending.delete(batch);
    var array = get$1(each_array);
    state2.fallback = fallback;
    reconcile(state2, array, anchor, flags2, get_key);
    if (fallback !== null) {
      if (array.length === 0) {
        if ((fallback.f & EFFECT_OFFSCREEN) === 0) {
          resume_effect(fallback);
        } else {
          fallback.f ^= EFFECT_OFFSCREEN;
          move(fallback, null, anchor);
        }
      } else {
        pause_effect(fallback, () => {
          fallback = null;
        });
      }
    }
  }
  function discard(batch) {
    state2.pending.delete(batch);
  }
  var effect2 = block(() => {
    var array = (
      /** @type {V[]} */
      get$1(each_array)
    );
    var length2 = array.length;
    var keys = /* @__PURE__ */ new Set();
    var batch = (
      /** @type {Batch} */
      current_batch
    );
    var defer = should_defer_append();
    for (var index2 = 0; index2 < length2; index2 += 1) {
      var value = array[index2];
      var key2 = get_key(value, index2);
      var item = first_run ? null : items2.get(key2);
      if (item) {
        if (item.v) internal_set(item.v, value);
        if (item.i) internal_set(item.i, index2);
        if (defer) {
          batch.unskip_effect(item.e);
        }
      } else {
        item = create_item(
          items2,
          first_run ? anchor : offscreen_anchor ??= create_text(),
          value,
          key2,
          index2,
          render_fn,
          flags2,
          get_collection
        );
        if (!first_run) {
          item.e.f |= EFFECT_OFFSCREEN;
        }
        items2.set(key2, item);
      }
      keys.add(key2);
    }
    if (length2 === 0 && fallback_fn && !fallback) {
      if (first_run) {
        fallback = branch(() => fallback_fn(anchor));
      } else {
        fallback = branch(() => fallback_fn(offscreen_anchor ??= create_text()));
        fallback.f |= EFFECT_OFFSCREEN;
      }
    }
    if (length2 > keys.size) {
      {
        each_key_duplicate();
      }
    }
    if (!first_run) {
      pending2.set(batch, keys);
      if (defer) {
        for (const [key3, item2] of items2) {
          if (!keys.has(key3)) {
            batch.skip_effect(item2.e);
          }
        }
        batch.oncommit(commit);
        batch.ondiscard(discard);
      } else {
        commit(batch);
      }
    }
    get$1(each_array);
  });
  var state2 = { effect: effect2, items: items2, pending: pending2, outrogroups: null, fallback };
  first_run = false;
}
function skip_to_branch(effect2) {
  while (effect2 !== null && (effect2.f & BRANCH_EFFECT) === 0) {
    effect2 = effect2.next;
  }
  return effect2;
}
function reconcile(state2, array, anchor, flags2, get_key) {
  var is_animated = (flags2 & EACH_IS_ANIMATED) !== 0;
  var length2 = array.length;
  var items2 = state2.items;
  var current = skip_to_branch(state2.effect.first);
  var seen2;
  var prev = null;
  var to_animate;
  var matched = [];
  var stashed = [];
  var value;
  var key2;
  var effect2;
  var i;
  if (is_animated) {
    for (i = 0; i < length2; i += 1) {
      value = array[i];
      key2 = get_key(value, i);
      effect2 = /** @type {EachItem} */
      items2.get(key2).e;
      if ((effect2.f & EFFECT_OFFSCREEN) === 0) {
        effect2.nodes?.a?.measure();
        (to_animate ??= /* @__PURE__ */ new Set()).add(effect2);
      }
    }
  }
  for (i = 0; i < length2; i += 1) {
    value = array[i];
    key2 = get_key(value, i);
    effect2 = /** @type {EachItem} */
    items2.get(key2).e;
    if (state2.outrogroups !== null) {
      for (const group of state2.outrogroups) {
        group.pending.delete(effect2);
        group.done.delete(effect2);
      }
    }
    if ((effect2.f & INERT) !== 0) {
      resume_effect(effect2);
      if (is_animated) {
        effect2.nodes?.a?.unfix();
        (to_animate ??= /* @__PURE__ */ new Set()).delete(effect2);
      }
    }
    if ((effect2.f & EFFECT_OFFSCREEN) !== 0) {
      effect2.f ^= EFFECT_OFFSCREEN;
      if (effect2 === current) {
        move(effect2, null, anchor);
      } else {
        var next = prev ? prev.next : current;
        if (effect2 === state2.effect.last) {
          state2.effect.last = effect2.prev;
        }
        if (effect2.prev) effect2.prev.next = effect2.next;
        if (effect2.next) effect2.next.prev = effect2.prev;
        link(state2, prev, effect2);
        link(state2, effect2, next);
        move(effect2, next, anchor);
        prev = effect2;
        matched = [];
        stashed = [];
        current = skip_to_branch(prev.next);
        continue;
      }
    }
    if (effect2 !== current) {
      if (seen2 !== void 0 && seen2.has(effect2)) {
        if (matched.length < stashed.length) {
          var start = stashed[0];
          var j;
          prev = start.prev;
          var a = matched[0];
          var b = matched[matched.length - 1];
          for (j = 0; j < matched.length; j += 1) {
            move(matched[j], start, anchor);
          }
          for (j = 0; j < stashed.length; j += 1) {
            seen2.delete(stashed[j]);
          }
          link(state2, a.prev, b.next);
          link(state2, prev, a);
          link(state2, b, start);
          current = start;
          prev = b;
          i -= 1;
          matched = [];
          stashed = [];
        } else {
          seen2.delete(effect2);
          move(effect2, current, anchor);
          link(state2, effect2.prev, effect2.next);
          link(state2, effect2, prev === null ? state2.effect.first : prev.next);
          link(state2, prev, effect2);
          prev = effect2;
        }
        continue;
      }
      matched = [];
      stashed = [];
      while (current !== null && current !== effect2) {
        (seen2 ??= /* @__PURE__ */ new Set()).add(current);
        stashed.push(current);
        current = skip_to_branch(current.next);
      }
      if (current === null) {
        continue;
      }
    }
    if ((effect2.f & EFFECT_OFFSCREEN) === 0) {
      matched.push(effect2);
    }
    prev = effect2;
    current = skip_to_branch(effect2.next);
  }
  if (state2.outrogroups !== null) {
    for (const group of state2.outrogroups) {
      if (group.pending.size === 0) {
        destroy_effects(state2, array_from(group.done));
        state2.outrogroups?.delete(group);
      }
    }
    if (state2.outrogroups.size === 0) {
      state2.outrogroups = null;
    }
  }
  if (current !== null || seen2 !== void 0) {
    var to_destroy = [];
    if (seen2 !== void 0) {
      for (effect2 of seen2) {
        if ((effect2.f & INERT) === 0) {
          to_destroy.push(effect2);
        }
      }
    }
    while (current !== null) {
      if ((current.f & INERT) === 0 && current !== state2.fallback) {
        to_destroy.push(current);
      }
      current = skip_to_branch(current.next);
    }
    var destroy_length = to_destroy.length;
    if (destroy_length > 0) {
      var controlled_anchor = (flags2 & EACH_IS_CONTROLLED) !== 0 && length2 === 0 ? anchor : null;
      if (is_animated) {
        for (i = 0; i < destroy_length; i += 1) {
          to_destroy[i].nodes?.a?.measure();
        }
        for (i = 0; i < destroy_length; i += 1) {
          to_destroy[i].nodes?.a?.fix();
        }
      }
      pause_effects(state2, to_destroy, controlled_anchor);
    }
  }
  if (is_animated) {
    queue_micro_task(() => {
      if (to_animate === void 0) return;
      for (effect2 of to_animate) {
        effect2.nodes?.a?.apply();
      }
    });
  }
}
function create_item(items2, anchor, value, key2, index2, render_fn, flags2, get_collection) {
  var v = (flags2 & EACH_ITEM_REACTIVE) !== 0 ? (flags2 & EACH_ITEM_IMMUTABLE) === 0 ? /* @__PURE__ */ mutable_source(value, false, false) : source(value) : null;
  var i = (flags2 & EACH_INDEX_REACTIVE) !== 0 ? source(index2) : null;
  return {
    v,
    i,
    e: branch(() => {
      render_fn(anchor, v ?? value, i ?? index2, get_collection);
      return () => {
        items2.delete(key2);
      };
    })
  };
}
function move(effect2, next, anchor) {
  if (!effect2.nodes) return;
  var node = effect2.nodes.start;
  var end = effect2.nodes.end;
  var dest = next && (next.f & EFFECT_OFFSCREEN) === 0 ? (
    /** @type {EffectNodes} */
    next.nodes.start
  ) : anchor;
  while (node !== null) {
    var next_node = (
      /** @type {TemplateNode} */
      /* @__PURE__ */ get_next_sibling(node)
    );
    dest.before(node);
    if (node === end) {
      return;
    }
    node = next_node;
  }
}
function link(state2, prev, next) {
  if (prev === null) {
    state2.effect.first = next;
  } else {
    prev.next = next;
  }
  if (next === null) {
    state2.effect.last = prev;
  } else {
    next.prev = prev;
  }
}
function snippet(node, get_snippet, ...args) {
  var branches = new BranchManager(node);
  block(() => {
    const snippet2 = get_snippet() ?? null;
    branches.ensure(snippet2, snippet2 && ((anchor) => snippet2(anchor, ...args)));
  }, EFFECT_TRANSPARENT);
}
function head(hash, render_fn) {
  var anchor;
  {
    anchor = document.head.appendChild(create_text());
  }
  try {
    block(() => {
      var e = branch(() => render_fn(anchor));
      e.f |= HEAD_EFFECT;
      if (!hydrating) {
        if (e.nodes === null) {
          e.nodes = { start: anchor, end: anchor, a: null, t: null };
        } else {
          e.nodes.end = anchor;
        }
      }
    });
  } finally {
  }
}
function attach(node, get_fn) {
  var fn = void 0;
  var e;
  managed(() => {
    if (fn !== (fn = get_fn())) {
      if (e) {
        destroy_effect(e);
        e = null;
      }
      if (fn) {
        e = branch(() => {
          effect(() => (
            /** @type {(node: Element) => void} */
            fn(node)
          ));
        });
      }
    }
  });
}
function r(e) {
  var t, f, n = "";
  if ("string" == typeof e || "number" == typeof e) n += e;
  else if ("object" == typeof e) if (Array.isArray(e)) {
    var o = e.length;
    for (t = 0; t < o; t++) e[t] && (f = r(e[t])) && (n && (n += " "), n += f);
  } else for (f in e) e[f] && (n && (n += " "), n += f);
  return n;
}
function clsx$1() {
  for (var e, t, f = 0, n = "", o = arguments.length; f < o; f++) (e = arguments[f]) && (t = r(e)) && (n && (n += " "), n += t);
  return n;
}
function clsx(value) {
  if (typeof value === "object") {
    return clsx$1(value);
  } else {
    return value ?? "";
  }
}
const whitespace = [..." 	\n\r\f \v\uFEFF"];
function to_class(value, hash, directives) {
  var classname = value == null ? "" : "" + value;
  if (hash) {
    classname = classname ? classname + " " + hash : hash;
  }
  if (directives) {
    for (var key2 of Object.keys(directives)) {
      if (directives[key2]) {
        classname = classname ? classname + " " + key2 : key2;
      } else if (classname.length) {
        var len = key2.length;
        var a = 0;
        while ((a = classname.indexOf(key2, a)) >= 0) {
          var b = a + len;
          if ((a === 0 || whitespace.includes(classname[a - 1])) && (b === classname.length || whitespace.includes(classname[b]))) {
            classname = (a === 0 ? "" : classname.substring(0, a)) + classname.substring(b + 1);
          } else {
            a = b;
          }
        }
      }
    }
  }
  return classname === "" ? null : classname;
}
function append_styles(styles, important = false) {
  var separator = important ? " !important;" : ";";
  var css = "";
  for (var key2 of Object.keys(styles)) {
    var value = styles[key2];
    if (value != null && value !== "") {
      css += " " + key2 + ": " + value + separator;
    }
  }
  return css;
}
function to_css_name(name) {
  if (name[0] !== "-" || name[1] !== "-") {
    return name.toLowerCase();
  }
  return name;
}
function to_style(value, styles) {
  if (styles) {
    var new_style = "";
    var normal_styles;
    var important_styles;
    if (Array.isArray(styles)) {
      normal_styles = styles[0];
      important_styles = styles[1];
    } else {
      normal_styles = styles;
    }
    if (value) {
      value = String(value).replaceAll(/\/\*.*?\*\//g, "").trim();
      var in_str = false;
      var in_apo = 0;
      var in_comment = false;
      var reserved_names = [];
      if (normal_styles) {
        reserved_names.push(...Object.keys(normal_styles).map(to_css_name));
      }
      if (important_styles) {
        reserved_names.push(...Object.keys(important_styles).map(to_css_name));
      }
      var start_index = 0;
      var name_index = -1;
      const len = value.length;
      for (var i = 0; i < len; i++) {
        var c = value[i];
        if (in_comment) {
          if (c === "/" && value[i - 1] === "*") {
            in_comment = false;
          }
        } else if (in_str) {
          if (in_str === c) {
            in_str = false;
          }
        } else if (c === "/" && value[i + 1] === "*") {
          in_comment = true;
        } else if (c === '"' || c === "'") {
          in_str = c;
        } else if (c === "(") {
          in_apo++;
        } else if (c === ")") {
          in_apo--;
        }
        if (!in_comment && in_str === false && in_apo === 0) {
          if (c === ":" && name_index === -1) {
            name_index = i;
          } else if (c === ";" || i === len - 1) {
            if (name_index !== -1) {
              var name = to_css_name(value.substring(start_index, name_index).trim());
              if (!reserved_names.includes(name)) {
                if (c !== ";") {
                  i++;
                }
                var property = value.substring(start_index, i).trim();
                new_style += " " + property + ";";
              }
            }
            start_index = i + 1;
            name_index = -1;
          }
        }
      }
    }
    if (normal_styles) {
      new_style += append_styles(normal_styles);
    }
    if (important_styles) {
      new_style += append_styles(important_styles, true);
    }
    new_style = new_style.trim();
    return new_style === "" ? null : new_style;
  }
  return value == null ? null : String(value);
}
function set_class(dom, is_html, value, hash, prev_classes, next_classes) {
  var prev = (
    /** @type {any} */
    dom[CLASS_CACHE]
  );
  if (prev !== value || prev === void 0) {
    var next_class_name = to_class(value, hash, next_classes);
    {
      if (next_class_name == null) {
        dom.removeAttribute("class");
      } else if (is_html) {
        dom.className = next_class_name;
      } else {
        dom.setAttribute("class", next_class_name);
      }
    }
    dom[CLASS_CACHE] = value;
  } else if (next_classes && prev_classes !== next_classes) {
    for (var key2 in next_classes) {
      var is_present = !!next_classes[key2];
      if (prev_classes == null || is_present !== !!prev_classes[key2]) {
        dom.classList.toggle(key2, is_present);
      }
    }
  }
  return next_classes;
}
function update_styles(dom, prev = {}, next, priority) {
  for (var key2 in next) {
    var value = next[key2];
    if (prev[key2] !== value) {
      if (next[key2] == null) {
        dom.style.removeProperty(key2);
      } else {
        dom.style.setProperty(key2, value, priority);
      }
    }
  }
}
function set_style(dom, value, prev_styles, next_styles) {
  var prev = (
    /** @type {any} */
    dom[STYLE_CACHE]
  );
  if (prev !== value) {
    var next_style_attr = to_style(value, next_styles);
    {
      if (next_style_attr == null) {
        dom.removeAttribute("style");
      } else {
        dom.style.cssText = next_style_attr;
      }
    }
    dom[STYLE_CACHE] = value;
  } else if (next_styles) {
    if (Array.isArray(next_styles)) {
      update_styles(dom, prev_styles?.[0], next_styles[0]);
      update_styles(dom, prev_styles?.[1], next_styles[1], "important");
    } else {
      update_styles(dom, prev_styles, next_styles);
    }
  }
  return next_styles;
}
function set_selected(option, selected) {
  if (selected) {
    if (!option.hasAttribute("selected")) option.setAttribute("selected", "");
  } else {
    option.removeAttribute("selected");
  }
}
function set_default_select_value(select, value) {
  var mounting = !("__defaultValue" in select);
  if (!mounting && select.__defaultValue === value) return;
  select.__defaultValue = value;
  apply_default_select_value(select, !mounting || "__value" in select);
}
function apply_default_select_value(select, preserve) {
  var value = select.__defaultValue;
  var multiple = select.multiple;
  var values = multiple ? value ?? [] : null;
  if (multiple && !is_array(values)) return;
  var index2 = select.selectedIndex;
  var selected = preserve && multiple ? new Set(select.selectedOptions) : null;
  for (var option of select.options) {
    var option_value = get_option_value(option);
    set_selected(
      option,
      multiple ? (
        /** @type {any[]} */
        values.includes(option_value)
      ) : is(option_value, value)
    );
  }
  if (!preserve) return;
  if (selected !== null) {
    for (option of select.options) {
      var was_selected = selected.has(option);
      if (option.selected !== was_selected) option.selected = was_selected;
    }
  } else if (select.selectedIndex !== index2) {
    select.selectedIndex = index2;
  }
}
function select_option(select, value, mounting = false) {
  if (select.multiple) {
    if (value == void 0) {
      return;
    }
    if (!is_array(value)) {
      return select_multiple_invalid_value();
    }
    for (var option of select.options) {
      option.selected = value.includes(get_option_value(option));
    }
    return;
  }
  for (option of select.options) {
    var option_value = get_option_value(option);
    if (is(option_value, value)) {
      option.selected = true;
      return;
    }
  }
  if (!mounting || value !== void 0) {
    select.selectedIndex = -1;
  }
}
function init_select(select) {
  var observer = new MutationObserver((entries) => {
    if (entries.every(is_selectedcontent_mutation)) return;
    if ("__defaultValue" in select) {
      apply_default_select_value(select, false);
    }
    if ("__value" in select) {
      select_option(select, select.__value);
    }
  });
  observer.observe(select, {
    // Listen to option element changes
    childList: true,
    subtree: true,
    // because of <optgroup>
    // Listen to option element value attribute changes
    // (doesn't get notified of select value changes,
    // because that property is not reflected as an attribute)
    attributes: true,
    attributeFilter: ["value"]
  });
  teardown(() => {
    observer.disconnect();
  });
}
function bind_select_value(select, get2, set2 = get2) {
  var batches = /* @__PURE__ */ new WeakSet();
  var mounting = true;
  listen_to_event_and_reset_event(select, "change", (is_reset) => {
    var query2 = is_reset ? "[selected]" : ":checked";
    var value;
    if (select.multiple) {
      value = [].map.call(select.querySelectorAll(query2), get_option_value);
    } else {
      var selected_option = select.querySelector(query2) ?? // will fall back to first non-disabled option if no option is selected
      select.querySelector("option:not([disabled])");
      value = selected_option && get_option_value(selected_option);
    }
    set2(value);
    select.__value = value;
    if (current_batch !== null) {
      batches.add(current_batch);
    }
  });
  effect(() => {
    var value = get2();
    if (select === document.activeElement) {
      var batch = (
        /** @type {Batch} */
        current_batch
      );
      if (batches.has(batch)) {
        return;
      }
    }
    select_option(select, value, mounting);
    if (mounting && value === void 0) {
      var selected_option = select.querySelector(":checked");
      if (selected_option !== null) {
        value = get_option_value(selected_option);
        set2(value);
      }
    }
    select.__value = value;
    mounting = false;
  });
}
function get_option_value(option) {
  if ("__value" in option) {
    return option.__value;
  } else {
    return option.value;
  }
}
function is_selectedcontent_mutation(entry) {
  if (
    /** @type {Element} */
    entry.target.closest("selectedcontent") !== null
  ) {
    return true;
  }
  if (entry.type === "childList") {
    var nodes = [...entry.addedNodes, ...entry.removedNodes];
    return nodes.length > 0 && nodes.every((node) => node.nodeName === "SELECTEDCONTENT");
  }
  return false;
}
const CLASS = Symbol("class");
const STYLE = Symbol("style");
const IS_CUSTOM_ELEMENT = Symbol("is custom element");
const IS_HTML = Symbol("is html");
const INPUT_TAG = IS_XHTML ? "input" : "INPUT";
const OPTION_TAG = IS_XHTML ? "option" : "OPTION";
const SELECT_TAG = IS_XHTML ? "select" : "SELECT";
const PROGRESS_TAG = IS_XHTML ? "progress" : "PROGRESS";
function set_value(element, value) {
  var attributes = get_attributes(element);
  if (attributes.value === (attributes.value = // treat null and undefined the same for the initial value
  value ?? void 0) || // @ts-expect-error
  // `progress` elements always need their value set when it's `0`
  element.value === value && (value !== 0 || element.nodeName !== PROGRESS_TAG)) {
    return;
  }
  element.value = value ?? "";
}
function set_checked(element, checked) {
  var attributes = get_attributes(element);
  if (attributes.checked === (attributes.checked = // treat null and undefined the same for the initial value
  checked ?? void 0)) {
    return;
  }
  element.checked = checked;
}
function set_attribute(element, attribute, value, skip_warning) {
  var attributes = get_attributes(element);
  var previous = attributes[attribute];
  if (previous === (attributes[attribute] = value)) return;
  if (attribute === "loading") {
    element[LOADING_ATTR_SYMBOL] = value;
  }
  if (value == null) {
    element.removeAttribute(attribute);
  } else if (typeof value !== "string" && get_setters(element).has(attribute)) {
    element[attribute] = value;
  } else {
    element.setAttribute(attribute, value);
  }
}
function set_attributes(element, prev, next, css_hash, should_remove_defaults = false, skip_warning = false) {
  var attributes = get_attributes(element);
  var is_custom_element = attributes[IS_CUSTOM_ELEMENT];
  var preserve_attribute_case = !attributes[IS_HTML];
  var current = prev || {};
  var is_option_element = element.nodeName === OPTION_TAG;
  var is_select_element = element.nodeName === SELECT_TAG;
  try {
    for (var key2 in prev) {
      if (!(key2 in next) && key2[0] + key2[1] !== "$$") {
        next[key2] = null;
      }
    }
    if (next.class) {
      next.class = clsx(next.class);
    } else if (css_hash || next[CLASS]) {
      next.class = null;
    }
    if (next[STYLE]) {
      next.style ??= null;
    }
    var setters = get_setters(element);
    if (element.nodeName === INPUT_TAG && "type" in next && ("value" in next || "__value" in next)) {
      var type = next.type;
      if (type !== current.type || type === void 0 && element.hasAttribute("type")) {
        current.type = type;
        set_attribute(element, "type", type, skip_warning);
      }
    }
    for (const key3 in next) {
      let value = next[key3];
      if (is_option_element && key3 === "value" && value == null) {
        element.value = element.__value = "";
        current[key3] = value;
        continue;
      }
      if (key3 === "class") {
        var is_html = element.namespaceURI === "http://www.w3.org/1999/xhtml";
        set_class(element, is_html, value, css_hash, prev?.[CLASS], next[CLASS]);
        current[key3] = value;
        current[CLASS] = next[CLASS];
        continue;
      }
      if (key3 === "style") {
        set_style(element, value, prev?.[STYLE], next[STYLE]);
        current[key3] = value;
        current[STYLE] = next[STYLE];
        continue;
      }
      var prev_value = current[key3];
      if (value === prev_value && !(value === void 0 && element.hasAttribute(key3))) {
        continue;
      }
      current[key3] = value;
      var prefix = key3[0] + key3[1];
      if (prefix === "$$") continue;
      if (prefix === "on") {
        const opts = {};
        const event_handle_key = "$$" + key3;
        let event_name = key3.slice(2);
        var is_delegated = can_delegate_event(event_name);
        if (is_capture_event(event_name)) {
          event_name = event_name.slice(0, -7);
          opts.capture = true;
        }
        if (!is_delegated && prev_value) {
          if (value != null) continue;
          element.removeEventListener(event_name, current[event_handle_key], opts);
          current[event_handle_key] = null;
        }
        if (is_delegated) {
          delegated(event_name, element, value);
          delegate([event_name]);
        } else if (value != null) {
          let handle2 = function(evt) {
            current[key3].call(this, evt);
          };
          var handle = handle2;
          current[event_handle_key] = create_event(event_name, element, handle2, opts);
        }
      } else if (key3 === "style") {
        set_attribute(element, key3, value);
      } else if (key3 === "autofocus") {
        autofocus(
          /** @type {HTMLElement} */
          element,
          Boolean(value)
        );
      } else if (!is_custom_element && (key3 === "__value" || key3 === "value" && value != null)) {
        element.__value = value;
        if (prev_value == null || // @ts-ignore
        element.value !== value || value === 0 && element.nodeName === PROGRESS_TAG) {
          element.value = value;
        }
      } else if (key3 === "selected" && is_option_element) {
        set_selected(
          /** @type {HTMLOptionElement} */
          element,
          value
        );
      } else {
        var name = key3;
        if (!preserve_attribute_case) {
          name = normalize_attribute(name);
        }
        var is_default = name === "defaultValue" || name === "defaultChecked";
        if (is_select_element && name === "defaultValue") continue;
        if (value == null && !is_custom_element && !is_default) {
          attributes[key3] = null;
          if (name === "value" || name === "checked") {
            let input = (
              /** @type {HTMLInputElement} */
              element
            );
            const use_default = prev === void 0;
            if (name === "value") {
              let previous = input.defaultValue;
              input.removeAttribute(name);
              input.defaultValue = previous;
              input.value = input.__value = use_default ? previous : null;
            } else {
              let previous = input.defaultChecked;
              input.removeAttribute(name);
              input.defaultChecked = previous;
              input.checked = use_default ? previous : false;
            }
          } else {
            element.removeAttribute(key3);
          }
        } else if (is_default || (is_custom_element || typeof value !== "string") && setters.has(name)) {
          element[name] = value;
          if (name in attributes) attributes[name] = UNINITIALIZED;
        } else if (typeof value !== "function") {
          set_attribute(element, name, value, skip_warning);
        }
      }
    }
  } finally {
  }
  return current;
}
function attribute_effect(element, fn, sync = [], async = [], blockers = [], css_hash, should_remove_defaults = false, skip_warning = false) {
  flatten(blockers, sync, async, (values) => {
    var prev = void 0;
    var effects = {};
    var is_select = element.nodeName === SELECT_TAG;
    var inited = false;
    managed(() => {
      var next = fn(...values.map(get$1));
      var current = set_attributes(
        element,
        prev,
        next,
        css_hash,
        should_remove_defaults,
        skip_warning
      );
      if (inited && is_select) {
        var select2 = (
          /** @type {HTMLSelectElement} */
          element
        );
        if ("defaultValue" in next) {
          set_default_select_value(select2, next.defaultValue);
        }
        if ("value" in next) {
          select_option(select2, next.value);
        }
      }
      for (let symbol of Object.getOwnPropertySymbols(effects)) {
        if (!next[symbol]) destroy_effect(effects[symbol]);
      }
      for (let symbol of Object.getOwnPropertySymbols(next)) {
        var n = next[symbol];
        if (symbol.description === ATTACHMENT_KEY && (!prev || n !== prev[symbol])) {
          if (effects[symbol]) destroy_effect(effects[symbol]);
          effects[symbol] = branch(() => attach(element, () => n));
        }
        current[symbol] = n;
      }
      prev = current;
    });
    if (is_select) {
      var select = (
        /** @type {HTMLSelectElement} */
        element
      );
      effect(() => {
        var attrs = (
          /** @type {Record<string | symbol, any>} */
          prev
        );
        if ("defaultValue" in attrs) {
          set_default_select_value(select, attrs.defaultValue);
        }
        select_option(select, attrs.value, true);
        init_select(select);
      });
    }
    inited = true;
  });
}
function get_attributes(element) {
  return (
    /** @type {Record<string | symbol, unknown>} **/
    /** @type {any} */
    element[ATTRIBUTES_CACHE] ??= {
      [IS_CUSTOM_ELEMENT]: element.nodeName.includes("-"),
      [IS_HTML]: element.namespaceURI === NAMESPACE_HTML
    }
  );
}
var setters_cache = /* @__PURE__ */ new Map();
function get_setters(element) {
  var cache_key = element.getAttribute("is") || element.nodeName;
  var setters = setters_cache.get(cache_key);
  if (setters) return setters;
  setters_cache.set(cache_key, setters = /* @__PURE__ */ new Set());
  var descriptors;
  var proto = element;
  var element_proto = Element.prototype;
  while (element_proto !== proto) {
    descriptors = get_descriptors(proto);
    for (var key2 in descriptors) {
      if (descriptors[key2].set && // better safe than sorry, we don't want spread attributes to mess with HTML content
      key2 !== "innerHTML" && key2 !== "textContent" && key2 !== "innerText") {
        setters.add(key2);
      }
    }
    proto = get_prototype_of(proto);
  }
  return setters;
}
function bind_value(input, get2, set2 = get2) {
  var batches = /* @__PURE__ */ new WeakSet();
  listen_to_event_and_reset_event(input, "input", async (is_reset) => {
    var value = is_reset ? input.defaultValue : input.value;
    value = is_numberlike_input(input) ? to_number(value) : value;
    set2(value);
    if (current_batch !== null) {
      batches.add(current_batch);
    }
    await tick();
    if (value !== (value = get2())) {
      var start = input.selectionStart;
      var end = input.selectionEnd;
      var length2 = input.value.length;
      input.value = value ?? "";
      if (end !== null) {
        var new_length = input.value.length;
        if (start === end && end === length2 && new_length > length2) {
          input.selectionStart = new_length;
          input.selectionEnd = new_length;
        } else {
          input.selectionStart = start;
          input.selectionEnd = Math.min(end, new_length);
        }
      }
    }
  });
  if (
    // If we are hydrating and the value has since changed,
    // then use the updated value from the input instead.
    // If defaultValue is set, then value == defaultValue
    // TODO Svelte 6: remove input.value check and set to empty string?
    untrack(get2) == null && input.value
  ) {
    set2(is_numberlike_input(input) ? to_number(input.value) : input.value);
    if (current_batch !== null) {
      batches.add(current_batch);
    }
  }
  render_effect(() => {
    var value = get2();
    if (input === document.activeElement) {
      var batch = (
        /** @type {Batch} */
        current_batch
      );
      if (batches.has(batch)) {
        return;
      }
    }
    if (is_numberlike_input(input) && value === to_number(input.value)) {
      return;
    }
    if (input.type === "date" && !value && !input.value) {
      return;
    }
    if (value !== input.value) {
      input.value = value ?? "";
    }
  });
}
const pending = /* @__PURE__ */ new Set();
function bind_group(inputs, group_index, input, get2, set2 = get2) {
  var is_checkbox = input.getAttribute("type") === "checkbox";
  var binding_group = inputs;
  if (group_index !== null) {
    for (var index2 of group_index) {
      binding_group = binding_group[index2] ??= [];
    }
  }
  binding_group.push(input);
  listen_to_event_and_reset_event(
    input,
    "change",
    () => {
      var value = input.__value;
      if (is_checkbox) {
        value = get_binding_group_value(binding_group, value, input.checked);
      }
      set2(value);
    },
    // TODO better default value handling
    () => set2(is_checkbox ? [] : null)
  );
  render_effect(() => {
    var value = get2();
    if (is_checkbox) {
      value = value || [];
      input.checked = value.includes(input.__value);
    } else {
      input.checked = is(input.__value, value);
    }
  });
  teardown(() => {
    var index3 = binding_group.indexOf(input);
    if (index3 !== -1) {
      binding_group.splice(index3, 1);
    }
  });
  if (!pending.has(binding_group)) {
    pending.add(binding_group);
    queue_micro_task(() => {
      binding_group.sort((a, b) => a.compareDocumentPosition(b) === 4 ? -1 : 1);
      pending.delete(binding_group);
    });
  }
  queue_micro_task(() => {
  });
}
function bind_checked(input, get2, set2 = get2) {
  listen_to_event_and_reset_event(input, "change", (is_reset) => {
    var value = is_reset ? input.defaultChecked : input.checked;
    set2(value);
  });
  if (
    // If we are hydrating and the value has since changed,
    // then use the update value from the input instead.
    // If defaultChecked is set, then checked == defaultChecked
    untrack(get2) == null
  ) {
    set2(input.checked);
  }
  render_effect(() => {
    var value = get2();
    input.checked = Boolean(value);
  });
}
function get_binding_group_value(group, __value, checked) {
  var value = /* @__PURE__ */ new Set();
  for (var i = 0; i < group.length; i += 1) {
    if (group[i].checked) {
      value.add(group[i].__value);
    }
  }
  if (!checked) {
    value.delete(__value);
  }
  return Array.from(value);
}
function is_numberlike_input(input) {
  var type = input.type;
  return type === "number" || type === "range";
}
function to_number(value) {
  return value === "" ? null : +value;
}
class ResizeObserverSingleton {
  /** */
  #listeners = /* @__PURE__ */ new WeakMap();
  /** @type {ResizeObserver | undefined} */
  #observer;
  /** @type {ResizeObserverOptions} */
  #options;
  /** @static */
  static entries = /* @__PURE__ */ new WeakMap();
  /** @param {ResizeObserverOptions} options */
  constructor(options) {
    this.#options = options;
  }
  /**
   * @param {Element} element
   * @param {(entry: ResizeObserverEntry) => any} listener
   */
  observe(element, listener) {
    var listeners2 = this.#listeners.get(element) || /* @__PURE__ */ new Set();
    listeners2.add(listener);
    this.#listeners.set(element, listeners2);
    this.#getObserver().observe(element, this.#options);
    return () => {
      var listeners3 = this.#listeners.get(element);
      listeners3.delete(listener);
      if (listeners3.size === 0) {
        this.#listeners.delete(element);
        this.#observer.unobserve(element);
      }
    };
  }
  #getObserver() {
    return this.#observer ?? (this.#observer = new ResizeObserver(
      /** @param {any} entries */
      (entries) => {
        for (var entry of entries) {
          ResizeObserverSingleton.entries.set(entry.target, entry);
          for (var listener of this.#listeners.get(entry.target) || []) {
            listener(entry);
          }
        }
      }
    ));
  }
}
var resize_observer_border_box = /* @__PURE__ */ new ResizeObserverSingleton({
  box: "border-box"
});
function bind_element_size(element, type, set2) {
  var unsub = resize_observer_border_box.observe(element, () => set2(element[type]));
  effect(() => {
    untrack(() => set2(element[type]));
    return unsub;
  });
}
function is_bound_this(bound_value, element_or_component) {
  return bound_value === element_or_component || bound_value?.[STATE_SYMBOL] === element_or_component;
}
function bind_this(element_or_component = mark_as_component(), update, get_value, get_parts) {
  var component_effect = (
    /** @type {ComponentContext} */
    component_context.r
  );
  var parent = (
    /** @type {Effect} */
    active_effect
  );
  effect(() => {
    var old_parts;
    var parts2;
    render_effect(() => {
      old_parts = parts2;
      parts2 = [];
      untrack(() => {
        if (!is_bound_this(get_value(...parts2), element_or_component)) {
          update(element_or_component, ...parts2);
          if (old_parts && is_bound_this(get_value(...old_parts), element_or_component)) {
            update(null, ...old_parts);
          }
        }
      });
    });
    return () => {
      let p = parent;
      while (p !== component_effect && p.parent !== null && p.parent.f & DESTROYING) {
        p = p.parent;
      }
      const teardown2 = () => {
        if (parts2 && is_bound_this(get_value(...parts2), element_or_component)) {
          update(null, ...parts2);
        }
      };
      const original_teardown = p.teardown;
      p.teardown = () => {
        teardown2();
        original_teardown?.();
      };
    };
  });
  return element_or_component;
}
function init(immutable = false) {
  const context = (
    /** @type {ComponentContextLegacy} */
    component_context
  );
  const callbacks = context.l.u;
  if (!callbacks) return;
  let props = () => deep_read_state(context.s);
  if (immutable) {
    let version = 0;
    let prev = (
      /** @type {Record<string, any>} */
      {}
    );
    const d = /* @__PURE__ */ derived(() => {
      let changed = false;
      const props2 = context.s;
      for (const key2 in props2) {
        if (props2[key2] !== prev[key2]) {
          prev[key2] = props2[key2];
          changed = true;
        }
      }
      if (changed) version++;
      return version;
    });
    props = () => get$1(d);
  }
  if (callbacks.b.length) {
    user_pre_effect(() => {
      observe_all(context, props);
      run_all(callbacks.b);
    });
  }
  user_effect(() => {
    const fns = untrack(() => callbacks.m.map(run));
    return () => {
      for (const fn of fns) {
        if (typeof fn === "function") {
          fn();
        }
      }
    };
  });
  if (callbacks.a.length) {
    user_effect(() => {
      observe_all(context, props);
      run_all(callbacks.a);
    });
  }
}
function observe_all(context, props) {
  if (context.l.s) {
    for (const signal of context.l.s) get$1(signal);
  }
  props();
}
let is_store_binding = false;
function capture_store_binding(fn) {
  var previous_is_store_binding = is_store_binding;
  try {
    is_store_binding = false;
    return [fn(), is_store_binding];
  } finally {
    is_store_binding = previous_is_store_binding;
  }
}
const rest_props_handler = {
  get(target2, key2) {
    if (target2.exclude.has(key2)) return;
    return target2.props[key2];
  },
  set(target2, key2) {
    return false;
  },
  getOwnPropertyDescriptor(target2, key2) {
    if (target2.exclude.has(key2)) return;
    if (key2 in target2.props) {
      return {
        enumerable: true,
        configurable: true,
        value: target2.props[key2]
      };
    }
  },
  has(target2, key2) {
    if (target2.exclude.has(key2)) return false;
    return key2 in target2.props;
  },
  ownKeys(target2) {
    return Reflect.ownKeys(target2.props).filter((key2) => !target2.exclude.has(key2));
  }
};
// @__NO_SIDE_EFFECTS__
function rest_props(props, exclude, name) {
  return new Proxy({ props, exclude }, rest_props_handler);
}
function prop(props, key2, flags2, fallback) {
  var runes = !legacy_mode_flag || (flags2 & PROPS_IS_RUNES) !== 0;
  var bindable = (flags2 & PROPS_IS_BINDABLE) !== 0;
  var lazy = (flags2 & PROPS_IS_LAZY_INITIAL) !== 0;
  var fallback_value = (
    /** @type {V} */
    fallback
  );
  var fallback_dirty = true;
  var fallback_signal = (
    /** @type {Derived<V> | undefined} */
    void 0
  );
  var get_fallback = () => {
    if (lazy && runes) {
      fallback_signal ??= /* @__PURE__ */ derived(
        /** @type {() => V} */
        fallback
      );
      return get$1(fallback_signal);
    }
    if (fallback_dirty) {
      fallback_dirty = false;
      fallback_value = lazy ? untrack(
        /** @type {() => V} */
        fallback
      ) : (
        /** @type {V} */
        fallback
      );
    }
    return fallback_value;
  };
  let setter;
  if (bindable) {
    var is_entry_props = STATE_SYMBOL in props || LEGACY_PROPS in props;
    setter = get_descriptor(props, key2)?.set ?? (is_entry_props && key2 in props ? (v) => props[key2] = v : void 0);
  }
  var initial_value;
  var is_store_sub = false;
  if (bindable) {
    [initial_value, is_store_sub] = capture_store_binding(() => (
      /** @type {V} */
      props[key2]
    ));
  } else {
    initial_value = /** @type {V} */
    props[key2];
  }
  if (initial_value === void 0 && fallback !== void 0) {
    initial_value = get_fallback();
    if (setter) {
      if (runes) props_invalid_value();
      setter(initial_value);
    }
  }
  var getter;
  if (runes) {
    getter = () => {
      var value = (
        /** @type {V} */
        props[key2]
      );
      if (value === void 0) return get_fallback();
      fallback_dirty = true;
      return value;
    };
  } else {
    getter = () => {
      var value = (
        /** @type {V} */
        props[key2]
      );
      if (value !== void 0) {
        fallback_value = /** @type {V} */
        void 0;
      }
      return value === void 0 ? fallback_value : value;
    };
  }
  if (runes && (flags2 & PROPS_IS_UPDATED) === 0) {
    return getter;
  }
  if (setter) {
    var legacy_parent = props.$$legacy;
    return (
      /** @type {() => V} */
      (function(value, mutation) {
        if (arguments.length > 0) {
          if (!runes || !mutation || legacy_parent || is_store_sub) {
            setter(mutation ? getter() : value);
          }
          return value;
        }
        return getter();
      })
    );
  }
  var overridden = false;
  var d = ((flags2 & PROPS_IS_IMMUTABLE) !== 0 ? derived : derived_safe_equal)(() => {
    overridden = false;
    return getter();
  });
  if (bindable) get$1(d);
  var parent_effect = (
    /** @type {Effect} */
    active_effect
  );
  return (
    /** @type {() => V} */
    (function(value, mutation) {
      if (arguments.length > 0) {
        const new_value = mutation ? get$1(d) : runes && bindable ? proxy(value) : value;
        set(d, new_value);
        overridden = true;
        if (fallback_value !== void 0) {
          fallback_value = new_value;
        }
        return value;
      }
      if (is_destroying_effect && overridden || (parent_effect.f & DESTROYED) !== 0) {
        return d.v;
      }
      return get$1(d);
    })
  );
}
const PUBLIC_VERSION = "5";
if (typeof window !== "undefined") {
  ((window.__svelte ??= {}).v ??= /* @__PURE__ */ new Set()).add(PUBLIC_VERSION);
}
const T = {
  app: "Keepsight",
  ok: "OK",
  cancel: "Cancel",
  close: "Close",
  back: "Back",
  save: "Save",
  saved: "Saved.",
  add: "Add",
  remove: "Remove",
  copy: "Copy",
  copied: "Copied.",
  share: "Share",
  print: "Print",
  busy: "One moment…",
  loading: "Loading…",
  more: "Show more",
  never: "never",
  name: "Name",
  password: "Password",
  showPassword: "Show",
  hidePassword: "Hide",
  skip: "Skip to the content",
  nav: { label: "Main", live: "Live", events: "Events", health: "Health", settings: "Settings", attention: (n) => `${n} to look at` },
  problems: {
    status: (status) => `The hub answered ${status}.`,
    unreachable: "The hub does not answer.",
    unreachableRemedy: "Are you at home, and is it switched on?"
  },
  unreachable: {
    title: "Hub not reachable",
    text: "Your hub does not answer. It goes on recording by itself; this app only cannot see it.",
    steps: ["Is this device in your home network?", "Has the hub power, and is its network cable in?", "Was it just switched on? It takes a minute."],
    again: "Trying again by itself every few seconds.",
    try: "Try now",
    banner: "Hub not reachable. Trying again…"
  },
  signIn: {
    title: "Sign in",
    name: "Your name",
    submit: "Sign in",
    totp: "Code from your authenticator app",
    totpHint: "Six digits; a new one every 30 seconds.",
    lost: "Lost the password?",
    fresh: "This hub is new: make it mine"
  },
  claim: {
    title: "Make this hub yours",
    intro: "You become its owner. Everything it records is sealed so that only you, and whom you let in, can see it.",
    token: "Claim token",
    tokenHint: "The hub shows it on its screen; `keepsight claim-token` prints it.",
    passwordHint: "Four unrelated words are good. It protects your pictures, so it has to be hard to guess.",
    submit: "Make it mine",
    signIn: "It has an owner already: sign in"
  },
  kit: {
    title: "Your recovery kit",
    intro: "These 24 words open everything the hub records, even when the hub is broken or gone and the password forgotten.",
    once: "They are shown this once and kept nowhere. Print them or write them down, and keep them away from the hub.",
    key: "The same as a key",
    hub: "Hub",
    signature: "The hub’s signature",
    qr: "Recovery kit as a QR code",
    confirm: "To be sure that you have them, type back two:",
    word: (n) => `Word ${n}`,
    wrong: "These are not the words. Look at your sheet again.",
    submit: "I have them",
    leave: "The recovery kit is shown only once. Leave all the same?"
  },
  recover: {
    title: "Lost the password?",
    owner: "An owner gets in again with the recovery kit and chooses a new password. All other devices are signed out.",
    member: "A member asks an owner for an invitation.",
    kit: "Recovery kit",
    kitHint: "The 24 words, or the line that begins with AGE-SECRET-KEY.",
    password: "New password",
    submit: "Set it and sign in"
  },
  invitation: {
    title: "You are invited",
    intro: "Choose a name and a password; with them you sign in on any of your devices.",
    name: "Your name",
    nameHint: "Leave it empty to keep the name that the owner gave you.",
    submit: "Accept",
    none: "This invitation was opened already, or its address is not whole. Ask for it again."
  },
  live: {
    title: "Live",
    none: "There is no camera yet.",
    noneOwner: "Add your first camera; it is recorded from then on.",
    noneMember: "Nobody gave you a camera yet. Ask the owner of the hub.",
    addCamera: "Add a camera",
    open: (name) => `Open ${name}`,
    connecting: "Connecting…",
    waiting: "No picture at the moment. Trying again…",
    unsupported: (codecs) => /mp4v|jpeg/i.test(codecs) ? "It sends motion JPEG, which no browser plays. It is recorded all the same. Set the camera to H.264 if it can do that." : `This browser cannot play ${codecName(codecs)}. It is recorded all the same. Try Safari or a newer device, or give the camera a small H.264 stream.`,
    sub: "Small stream: this browser cannot play the large one."
  },
  watch: {
    live: "Live",
    toLive: "Back to live",
    soundOn: "Sound on",
    soundOff: "Sound off",
    full: "Full screen",
    play: "Play",
    pause: "Pause",
    next: "Next picture",
    previous: "Picture before",
    nextEvent: "Next event",
    previousEvent: "Event before",
    noEvent: "There is none.",
    speed: "Speed",
    times: (n) => `${n}×`,
    day: "Day",
    keep: "Save or protect",
    settings: "Settings of this camera",
    loading: "Loading…",
    over: "There is nothing after that yet.",
    nothing: "There is nothing to see at that time.",
    unsupported: (codecs) => `This browser cannot play ${codecName(codecs)}. Save the film and play it elsewhere, or open this page in Safari.`,
    noPlayback: "You may look live at this camera, and not back.",
    noLive: "You may look back at this camera, and not live.",
    gone: "There is no such camera for you.",
    noPicture: "No picture there"
  },
  timeline: {
    label: "Timeline",
    hint: "Drag to move in time, pinch to zoom. Arrow keys move by 5 seconds, with Shift by a minute; Page Up and Page Down by an hour; plus and minus zoom.",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
    recorded: "recorded",
    missing: (why) => `missing: ${why}`,
    nothing: "nothing recorded",
    protected: "protected",
    now: "now"
  },
  keep: {
    title: "Save or protect",
    from: "From",
    to: "To",
    lengths: "Around this moment",
    length: { 30: "30 s", 120: "2 min", 600: "10 min", 3600: "1 h" },
    save: "Save as a film",
    saving: (done, all2) => `${done} of ${all2}`,
    savedFilm: "Saved among your downloads.",
    part: (n) => `Part ${n}: the camera’s settings changed in between.`,
    large: "A large film: your browser saves it by itself.",
    stop: "Stop",
    protect: "Protect from deletion",
    protectHint: "It goes last when room is needed.",
    protectedNow: "Protected.",
    list: "Protected here",
    release: "Protect no more",
    bad: "The end has to come after the beginning.",
    long: "One film holds at most 24 hours.",
    early: "The film ended early. Try again."
  },
  events: {
    title: "Events",
    camera: "Camera",
    kind: "Kind",
    day: "Up to this day",
    all: "All",
    kinds: { motion: "Motion", person: "Person", doorbell: "Doorbell", offline: "Did not answer" },
    none: "Nothing happened, as far as the hub saw.",
    lasting: (length2) => `for ${length2}`
  },
  states: {
    connecting: "Connecting…",
    recording: "Recording",
    stalled: "Connected, but it sends no pictures",
    unauthorised: "It refuses the user name or the password",
    untrusted: "It shows another certificate than before",
    unreachable: "It does not answer",
    unsupported: "Its pictures cannot be recorded",
    broken: "What it sends cannot be read",
    not_writing: "Pictures arrive, but the disk does not take them",
    paused: "Paused"
  },
  gaps: {
    hub_down: "the hub was off",
    camera_lost: "the camera was gone",
    camera_stalled: "the camera sent nothing",
    camera_unauthorised: "the camera refused the password",
    camera_unsupported: "the pictures could not be recorded",
    camera_broken: "what the camera sent could not be read",
    disk_error: "the disk did not take it",
    disk_full: "the disk was full",
    disk_missing: "the disk was missing",
    paused: "the camera was paused",
    damaged: "the file was damaged"
  },
  settings: {
    title: "Settings",
    signedInAs: (name) => `Signed in as ${name}`,
    cameras: "Cameras",
    camerasHint: "Add, change, pause, remove",
    people: "People",
    peopleHint: "Who may see what; invitations",
    tokens: "Tokens",
    tokensHint: "For other programs",
    storage: "Storage",
    storageHint: "How long footage is kept",
    health: "Health",
    healthHint: "What works and what does not",
    kit: "New recovery kit",
    kitHint: "When the sheet is lost or was seen",
    audit: "Log",
    auditHint: "Who did what",
    account: "You and your devices",
    accountHint: "Name, password, second factor, devices",
    signOut: "Sign out",
    version: (version) => `Keepsight ${version}`
  },
  cameras: {
    title: "Cameras",
    add: "Add a camera",
    edit: "Camera",
    none: "There is no camera yet.",
    namePlaceholder: "Front door",
    main: "Main stream",
    sub: "Small stream",
    subHint: "If the camera has one, the grid of live pictures and older phones use it. It is not recorded.",
    hasSub: "It has a small stream",
    url: "Address",
    urlPlaceholder: "rtsp://192.168.1.20:554/stream",
    urlHint: "The camera’s manual has it, often under “RTSP”. Without user name and password.",
    username: "User name",
    usernameHint: "If it has one.",
    cameraPassword: "Password",
    passwordKept: "Leave it empty to keep the one that is set.",
    noPassword: "It has no password any more",
    transport: "How its packets travel",
    transports: { auto: "The hub finds out", tcp: "TCP", udp: "UDP", multicast: "Multicast" },
    certificate: "Certificate (SHA-256)",
    certificateHint: "Only for rtsps addresses. Empty: the first one that it shows, from then on.",
    forget: "Forget the certificate",
    test: "Test",
    testing: "Asking the camera…",
    tested: (size2, codec, via) => `It answers: ${size2}, ${codec}, over ${via}.`,
    testedSound: (encoding) => `Its sound (${encoding}) cannot be kept.`,
    more: "More",
    removeTitle: (name) => `Remove ${name}?`,
    removeText: "It is no longer recorded. Its footage stays until its room is needed.",
    pause: "Pause",
    pauseHour: "For an hour",
    pauseOpen: "Until I resume",
    resume: "Resume",
    paused: "Paused: nothing is recorded and nothing shown. The timeline says so.",
    pausedUntil: (time2) => `Paused until ${time2}. The timeline says so.`,
    facts: "What it sends",
    picture: "Picture",
    sound: "Sound that cannot be kept",
    read: "Read by",
    readBy: (source2, transport) => `${source2 === "hub" ? "the hub itself" : "GStreamer"}, over ${transport.toUpperCase()}`,
    lastOnDisk: "Safe on disk until",
    since: "Since"
  },
  rights: {
    live: "Look live",
    playback: "Look back",
    export: "Save films",
    manage: "Change the camera",
    until: "Until",
    forever: "Without an end",
    none: "no camera",
    short: { live: "live", playback: "back", export: "save", manage: "change" },
    ownerAll: "An owner sees every camera and may do everything."
  },
  people: {
    title: "People",
    you: "you",
    role: "Role",
    owner: "Owner",
    member: "Member",
    invite: "Invite somebody",
    invitations: "Open invitations",
    expires: (time2) => `Open until ${time2}`,
    withdraw: "Withdraw",
    devices: "Devices",
    noDevices: "Signed in on no device.",
    signOutDevice: "Sign out",
    lastUsed: (time2) => `Last used ${time2}`,
    grants: "Cameras",
    grantsSave: "Save what they may see",
    totpOn: "With a second factor",
    reinvite: "They lost the password: invite again",
    remove: "Remove",
    removeTitle: (name) => `Remove ${name}?`,
    removeText: "They are signed out at once, everywhere. What they saved stays theirs.",
    promote: "Make an owner",
    promoteTitle: (name) => `Make ${name} an owner?`,
    promoteText: "An owner sees every camera, invites and removes people.",
    demote: "Make a member",
    gone: "There is no such person."
  },
  invite: {
    title: "Invite somebody",
    intro: "You get a code that works once. Let them scan it with their phone’s camera, or send them the address.",
    name: "Their name",
    hours: "The code is good for",
    lengths: { 3600: "An hour", 86400: "A day", 604800: "A week" },
    submit: "Make the code",
    ready: (name) => `For ${name}`,
    scan: "Scan it with a phone in your home network. It is shown this once and works once.",
    qr: "Invitation as a QR code",
    done: "Done",
    deviceTrust: "Their phone has to trust the hub first: they open the hub’s plain address (http) and follow the steps there."
  },
  tokens: {
    title: "Tokens",
    intro: "A token lets another program see the cameras you give it, as `Authorization: Bearer`.",
    none: "There is no token.",
    add: "New token",
    name: "What is it for?",
    namePlaceholder: "Home Assistant",
    submit: "Make the token",
    ready: "Your new token",
    once: "It is shown this once. Copy it to where it is needed.",
    expires: (time2) => `Good until ${time2}`,
    noExpiry: "Without an end",
    removeTitle: (name) => `Remove ${name}?`,
    removeText: "The program that uses it sees nothing more, at once.",
    until: "Good until"
  },
  account: {
    title: "You",
    thisDevice: "This device",
    name: "Your name",
    passwordTitle: "Password",
    current: "Password now",
    next: "New password",
    keep: "Leave my other devices signed in",
    change: "Change the password",
    changed: "The password is changed.",
    totpTitle: "Second factor",
    totpOn: "On: signing in wants a code from your authenticator app.",
    totpOff: "Off. With it, signing in also wants a code from an app on your phone.",
    totpBegin: "Set it up",
    totpScan: "Scan this with your authenticator app, then type the code that it shows.",
    totpQr: "Second factor as a QR code",
    totpKey: "Or type this key",
    totpCode: "Code",
    totpConfirm: "Switch it on",
    totpDisable: "Switch it off",
    totpDone: "The second factor is on.",
    totpRemoved: "The second factor is off.",
    devices: "Your devices",
    rename: "Rename",
    deviceName: "Name of this device",
    current_device: "this one",
    since: (time2) => `signed in ${time2}`,
    lastUsed: (time2) => `last used ${time2}`,
    signOutDevice: "Sign out",
    signOutTitle: (name) => `Sign out ${name}?`,
    signOutText: "It is out at once, its live pictures too."
  },
  newKit: {
    title: "New recovery kit",
    intro: "With the old kit you make a new one. The new one opens everything that there is and everything from now on; the old one opens what was recorded until now, so destroy it.",
    old: "The old kit",
    submit: "Make a new kit"
  },
  storage: {
    title: "Storage",
    fits: (days) => `About ${days} of footage fit`,
    day: (n) => n === "1" ? "1 day" : `${n} days`,
    unknown: "How many days fit can be told after some minutes of recording.",
    used: "Keepsight",
    other: "Other things",
    reserve: "Reserve",
    free: "Free",
    of: (used, total) => `${used} of ${total} used by Keepsight`,
    noDisk: "The footage disk is missing.",
    oldest: "When room is needed, the oldest footage of all cameras goes first; what you protected goes last.",
    limits: "Limits",
    limitsHint: "Without a limit footage stays as long as there is room.",
    all: "All cameras together",
    days: "Days",
    gigabytes: "Gigabytes",
    noLimit: "No limit",
    upTo: (what) => `At most ${what}`,
    change: "Change",
    removed: (n) => `${n} ${n === 1 ? "piece" : "pieces"} of about a minute removed since the hub started, to make room.`,
    loss: (s) => `A power cut takes at most the last ${s} s.`,
    warn: "A lower limit removes what is beyond it at once."
  },
  health: {
    title: "Health",
    allWell: "All is well.",
    some: (n) => n === 1 ? "One thing wants a look." : `${n} things want a look.`,
    hub: "Hub",
    cameras: "Cameras",
    ok: "Works",
    off: "Off",
    parts: {
      clock: "Clock",
      storage: "Footage disk",
      store: "Store",
      stills: "Still pictures",
      mdns: "Name in your network",
      net: "Name in your network",
      backup: "Backup",
      remote: "Access from outside"
    },
    partsOk: {
      clock: "The hub knows the time.",
      storage: "Footage is written as fast as it arrives.",
      store: "People, cameras and the index of footage are whole.",
      stills: "They are decoded behind all protections.",
      mdns: "Phones find the hub by its name.",
      net: "Phones find the hub by its name."
    },
    reasons: {
      camera_unreachable: "A camera does not answer.",
      camera_unauthorised: "A camera refuses the user name or the password.",
      camera_stalled: "A camera sends nothing although it is connected.",
      camera_unsupported: "A camera’s stream cannot be recorded.",
      disk_error: "Footage cannot be written.",
      slow_disk: "The disk is slow.",
      disk_full: "There is no room left.",
      disk_missing: "The footage disk is missing, or it is another one.",
      store_rebuilt: "The store had to be made again.",
      no_true_time: "Nobody told the hub the time.",
      audio_dropped: "Sound of a camera cannot be kept.",
      weak_sandbox: "Still pictures are decoded behind fewer protections.",
      no_decoder: "Nothing on this machine decodes a camera’s pictures."
    },
    remedies: {
      camera_unreachable: "Check that it has power and network, and that its address is right.",
      camera_unauthorised: "Check both in the camera’s own settings.",
      camera_stalled: "Start the camera again, and check its cable or Wi-Fi.",
      camera_unsupported: "Set the camera to H.264 or H.265.",
      disk_error: "Check the disk and its cable; the hub tries again by itself.",
      slow_disk: "Give the hub a faster disk, or record fewer cameras on this one.",
      disk_full: "Free some space, lower a limit, or give the hub a larger disk.",
      disk_missing: "Connect the right disk; recording goes on by itself then.",
      store_rebuilt: "Look whether people and cameras are as they should be; the hub’s log has what was lost.",
      no_true_time: "Open this app as an owner, or connect the hub to a time server: what was recorded is dated right from then on.",
      audio_dropped: "Set the camera’s sound to AAC, Opus or G.711.",
      weak_sandbox: "Use a kernel with Landlock and seccomp; until then everything works.",
      no_decoder: "Install GStreamer’s libav plugins. Recording and live pictures need none."
    },
    sound: (encoding) => `Its sound (${encoding}) cannot be kept. Set the camera’s sound to AAC, Opus or G.711.`,
    camera: {
      stalled: "Start the camera again, and check its cable or Wi-Fi.",
      unauthorised: "Check user name and password in the camera’s own settings, then here.",
      untrusted: "If it was replaced or set up anew, let the hub forget the old certificate; if not, somebody may be listening between them.",
      unreachable: "Check that it has power and network, and that its address is right.",
      unsupported: "Set the camera to H.264 or H.265.",
      broken: "Start it again, and check its cable or Wi-Fi; if it stays, look for newer software for it.",
      not_writing: "See the footage disk above."
    },
    timeSources: {
      rtc: "from the clock on its board",
      ntp: "from a time server",
      phone: "from an owner’s device",
      camera: "from a camera",
      unset: "from nobody yet"
    },
    time: (time2, source2) => `${time2}, ${source2}`
  },
  audit: {
    title: "Log",
    intro: "Who did what. Nothing can be removed from it.",
    hub: "The hub",
    console: "At the machine itself",
    actions: {
      "hub.claim": "became the first owner",
      "session.new": "signed in",
      "session.end": "signed a device out",
      "camera.add": "added a camera",
      "camera.change": "changed a camera",
      "camera.rename": "renamed a camera",
      "camera.remove": "removed a camera",
      "camera.pause": "paused a camera",
      "camera.resume": "resumed a camera",
      "camera.adopt": "adopted a camera",
      "disk.adopt": "adopted a disk",
      "epoch.unknown": "found a key that it does not know",
      "footage.export": "saved a film",
      "footage.protect": "protected footage",
      "footage.unprotect": "protected footage no more",
      "key.export": "took a camera’s key",
      "storage.limit": "changed a limit",
      "store.rebuilt": "made its store again",
      "system.time": "told the time"
    },
    none: "Nothing happened yet."
  }
};
function codecName(codecs) {
  if (/^(hvc1|hev1)/.test(codecs)) return "H.265 pictures";
  if (/^avc/.test(codecs)) return "these H.264 pictures";
  return codecs;
}
class Problem extends Error {
  constructor(status, code, title, detail, remedy) {
    super([title, detail && sentence(detail), remedy].filter(Boolean).join(" "));
    this.status = status;
    this.code = code;
  }
}
const sentence = (text2) => /[.!?]$/.test(text2) ? text2 : `${text2}.`;
const listeners = {
  reachable: (_is) => {
  },
  signedOut: () => {
  }
};
let clockOffset = 0;
const hubNow = () => Date.now() + clockOffset;
async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    listeners.reachable(false);
    throw new Problem(0, "unreachable", T.problems.unreachable, null, T.problems.unreachableRemedy);
  }
  listeners.reachable(true);
  const date = Date.parse(response.headers.get("date") ?? "");
  if (date && Math.abs(date + 500 - hubNow()) > 1e3) clockOffset = date + 500 - Date.now();
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    const problem = new Problem(response.status, body.code ?? "", body.title ?? T.problems.status(response.status), body.detail, body.remedy);
    if (problem.code === "not-signed-in") listeners.signedOut();
    throw problem;
  }
  return response;
}
async function api(method, path, body, signal) {
  const options = { method, signal };
  if (body !== void 0) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const response = await request(`/api/v1${path}`, options);
  return response.status === 204 ? null : await response.json();
}
const get = (path, signal) => api("GET", path, void 0, signal);
function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== void 0 && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}
const iso = (ms2) => new Date(ms2).toISOString();
const cameraPath = (camera) => `/cameras/${typeof camera === "string" ? camera : camera.id}`;
const words = (error) => error instanceof Error ? error.message : String(error);
function deviceName() {
  const agent = navigator.userAgent;
  const device = ["iPhone", "iPad", "Android", "Macintosh", "Windows", "Linux"].find((name) => agent.includes(name));
  const browser = ["Firefox", "Edg", "Chrome", "Safari"].find((name) => agent.includes(name));
  const shown = { Macintosh: "Mac", Edg: "Edge" };
  return [device, browser].filter((name) => name !== void 0).map((name) => shown[name] ?? name).join(", ") || T.account.thisDevice;
}
const isHealth = (value) => typeof value === "object" && value !== null && "state" in value && ["ok", "degraded", "off"].includes(String(value.state));
function partsOf(system) {
  return Object.entries(system ?? {}).flatMap(([name, value]) => {
    if (isHealth(value)) return [{ name, health: value }];
    const inner2 = typeof value === "object" && value !== null && "health" in value ? value.health : null;
    return isHealth(inner2) ? [{ name, health: inner2 }] : [];
  });
}
function cameraNeedsAttention(camera) {
  const fine = ["recording", "connecting", "paused"].includes(camera.state);
  return !fine || camera.disk.state === "degraded" || !!camera.sound_dropped;
}
function toneOf(camera) {
  if (camera.state === "recording") return "good";
  if (camera.state === "connecting") return "busy";
  return camera.state === "paused" ? "off" : "bad";
}
const EVERY_MS = 5e3;
class Hub {
  #phase = (
    /** Until the first answer: starting. */
    /* @__PURE__ */ state("starting")
  );
  get phase() {
    return get$1(this.#phase);
  }
  set phase(value) {
    set(this.#phase, value, true);
  }
  #reachable = /* @__PURE__ */ state(true);
  get reachable() {
    return get$1(this.#reachable);
  }
  set reachable(value) {
    set(this.#reachable, value, true);
  }
  #me = /* @__PURE__ */ state(null);
  get me() {
    return get$1(this.#me);
  }
  set me(value) {
    set(this.#me, value);
  }
  #cameras = /* @__PURE__ */ state([]);
  get cameras() {
    return get$1(this.#cameras);
  }
  set cameras(value) {
    set(this.#cameras, value);
  }
  #system = /* @__PURE__ */ state(null);
  get system() {
    return get$1(this.#system);
  }
  set system(value) {
    set(this.#system, value);
  }
  toldTime = false;
  asking = null;
  #owner = /* @__PURE__ */ user_derived(() => this.me?.role === "owner");
  get owner() {
    return get$1(this.#owner);
  }
  set owner(value) {
    set(this.#owner, value);
  }
  #attention = /* @__PURE__ */ user_derived(() => this.cameras.filter(cameraNeedsAttention).length + partsOf(this.system).filter(({ health }) => health.state === "degraded").length);
  get attention() {
    return get$1(this.#attention);
  }
  set attention(value) {
    set(this.#attention, value);
  }
  constructor() {
    listeners.reachable = (is2) => {
      this.reachable = is2;
    };
    listeners.signedOut = () => {
      this.forget();
      this.phase = "signed-out";
    };
    setInterval(
      () => {
        if (!document.hidden && this.phase !== "signed-out") void this.refresh();
      },
      EVERY_MS
    );
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.phase !== "signed-out") void this.refresh();
    });
  }
  forget() {
    this.me = null;
    this.cameras = [];
    this.system = null;
    this.toldTime = false;
  }
  /** Asks again. Never throws: what went wrong is seen in the phase. */
  refresh() {
    this.asking ??= this.ask().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }
  async ask() {
    try {
      const [me, cameras] = await Promise.all([this.whoAmI(), get("/cameras")]);
      this.me = me;
      this.cameras = cameras;
      this.phase = "signed-in";
      if (me.role === "owner") {
        this.system = await get("/system");
        await this.tellTime();
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
  /** A hub that has no members yet has only its owner. */
  async whoAmI() {
    try {
      return await get("/me");
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "not-found") throw error;
      return {
        id: "",
        name: "",
        role: "owner",
        totp: false,
        has_password: true,
        grants: []
      };
    }
  }
  /** A hub without a clock and without the internet has the time from its owner's device. */
  async tellTime() {
    if (this.toldTime || this.system?.time_source !== "unset") return;
    this.toldTime = true;
    this.system = await api("POST", "/system/time", { time: /* @__PURE__ */ (/* @__PURE__ */ new Date()).toISOString() });
  }
  async signOut() {
    await api("DELETE", "/sessions/current");
    listeners.signedOut();
  }
  camera(id) {
    return this.cameras.find((camera) => camera.id === id);
  }
  grant(camera) {
    return this.me?.grants.find((grant) => grant.camera === camera);
  }
  may(camera, right) {
    return this.owner || (this.grant(camera)?.rights.includes(right) ?? false);
  }
}
const hub = new Hub();
const parts = (hash) => hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
class Router {
  #parts = /* @__PURE__ */ state(parts(location.hash));
  get parts() {
    return get$1(this.#parts);
  }
  set parts(value) {
    set(this.#parts, value);
  }
  secret = null;
  constructor() {
    addEventListener("hashchange", () => this.read());
    this.read();
  }
  get screen() {
    return this.parts[0] ?? "";
  }
  read() {
    const [screen, secret] = parts(location.hash);
    if ((screen === "claim" || screen === "invitation") && secret) {
      this.secret = secret;
      history.replaceState(null, "", `#/${screen}`);
    }
    this.parts = parts(location.hash);
    scrollTo(0, 0);
  }
  /** Goes to a screen. `replace`: without a step back. */
  go(hash, replace = false) {
    if (replace) {
      history.replaceState(null, "", hash);
      this.read();
    } else {
      location.hash = hash;
    }
  }
}
const router = new Router();
const SHAPES = {
  back: "M15 5l-7 7 7 7",
  forward: "M9 5l7 7-7 7",
  live: "M3 7h12v10H3zM15 11l6-3v8l-6-3",
  events: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
  health: "M3 12h4l2-6 4 12 3-8 1.5 2H21",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  stepForward: "M6 6l7 6-7 6zM17 6v12",
  stepBack: "M18 6l-7 6 7 6zM7 6v12",
  eventNext: "M4 12h10M10 7l5 5-5 5M19 5v14",
  eventBack: "M20 12H10M14 7l-5 5 5 5M5 5v14",
  soundOn: "M4 10v4h4l5 4V6L8 10zM17 9a4.5 4.5 0 0 1 0 6M19.5 6.5a8 8 0 0 1 0 11",
  soundOff: "M4 10v4h4l5 4V6L8 10zM17 10l4 4M21 10l-4 4",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  day: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-4 2.5-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5c2 .8 3 2.7 3 5.5",
  key: "M8 15a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 11h9M18 11v4",
  disk: "M4 5h16v14H4zM4 14h16M8 16.5h.01",
  log: "M6 3h12v18H6zM9 8h6M9 12h6M9 16h4",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM5 21c0-4.5 3-7 7-7s7 2.5 7 7",
  out: "M10 4H5v16h5M9 12h11M16 8l4 4-4 4",
  sheet: "M6 3h9l4 4v14H6zM9 12h6M9 16h6",
  speed: "M4 17a8 8 0 1 1 16 0M12 17l4-6"
};
var root$B = /* @__PURE__ */ from_svg(`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false"><path></path></svg>`);
function Icon($$anchor, $$props) {
  let size2 = prop($$props, "size", 3, 24);
  var svg = root$B();
  var path = only_child(svg);
  template_effect(() => {
    set_attribute(svg, "width", size2());
    set_attribute(svg, "height", size2());
    set_attribute(path, "d", SHAPES[$$props.name]);
  });
  append($$anchor, svg);
}
var root$A = /* @__PURE__ */ from_html(`<span class="dot svelte-1jnx671" role="img"></span>`);
var root_1$v = /* @__PURE__ */ from_html(`<a class="svelte-1jnx671"><span class="icon svelte-1jnx671"><!> <!></span> </a>`);
var root_2$l = /* @__PURE__ */ from_html(`<nav class="svelte-1jnx671"></nav>`);
function Nav($$anchor, $$props) {
  push($$props, true);
  const items2 = /* @__PURE__ */ user_derived(() => [
    {
      href: "#/",
      icon: "live",
      label: T.nav.live,
      screens: ["", "camera"]
    },
    {
      href: "#/events",
      icon: "events",
      label: T.nav.events,
      screens: ["events"]
    },
    ...hub.owner ? [
      {
        href: "#/health",
        icon: "health",
        label: T.nav.health,
        screens: ["health"]
      }
    ] : [],
    {
      href: "#/settings",
      icon: "settings",
      label: T.nav.settings,
      screens: [
        "settings",
        "account",
        "cameras",
        "people",
        "tokens",
        "storage",
        "audit",
        "kit"
      ]
    }
  ]);
  var nav = root_2$l();
  each(nav, 21, () => get$1(items2), ({ href, icon, label, screens }) => href, ($$anchor2, $$item) => {
    let href = () => get$1($$item).href;
    let icon = () => get$1($$item).icon;
    let label = () => get$1($$item).label;
    let screens = () => get$1($$item).screens;
    var a = root_1$v();
    var span2 = child(a);
    var node = child(span2);
    Icon(node, {
      get name() {
        return icon();
      }
    });
    var node_1 = sibling(node, 2);
    {
      var consequent = ($$anchor3) => {
        var span_1 = root$A();
        template_effect(($0) => set_attribute(span_1, "aria-label", $0), [() => T.nav.attention(hub.attention)]);
        append($$anchor3, span_1);
      };
      if_block(node_1, ($$render) => {
        if (icon() === "health" && hub.attention) $$render(consequent);
      });
    }
    var text2 = sibling(span2);
    template_effect(
      ($0) => {
        set_attribute(a, "href", href());
        set_attribute(a, "aria-current", $0);
        set_text(text2, ` ${label() ?? ""}`);
      },
      [() => screens().includes(router.screen) ? "page" : void 0]
    );
    append($$anchor2, a);
  });
  template_effect(() => set_attribute(nav, "aria-label", T.nav.label));
  append($$anchor, nav);
  pop();
}
var root$z = /* @__PURE__ */ from_html(`<form><!> <p class="problem" role="alert"> </p> <p class="note" role="status"> </p> <div class="actions wide"><button> </button> <!></div></form>`);
function Form($$anchor, $$props) {
  push($$props, true);
  let done = prop($$props, "done", 3, ""), disabled = prop($$props, "disabled", 3, false), danger = prop($$props, "danger", 3, false);
  let busy = /* @__PURE__ */ state(false);
  let problem = /* @__PURE__ */ state("");
  let note = /* @__PURE__ */ state("");
  async function onsubmit(event2) {
    event2.preventDefault();
    if (get$1(busy)) return;
    set(busy, true);
    set(problem, set(note, ""), true);
    try {
      await $$props.act();
      set(note, done());
    } catch (error) {
      set(problem, words(error), true);
    } finally {
      set(busy, false);
    }
  }
  var form = root$z();
  var node = child(form);
  snippet(node, () => $$props.children ?? noop);
  var p = sibling(node, 2);
  var text2 = only_child(p, true);
  var p_1 = sibling(p, 2);
  var text_1 = only_child(p_1, true);
  var div = sibling(p_1, 2);
  var button = child(div);
  var text_2 = only_child(button, true);
  var node_1 = sibling(button, 2);
  snippet(node_1, () => $$props.beside ?? noop);
  template_effect(() => {
    set_text(text2, get$1(problem));
    set_text(text_1, get$1(note));
    set_class(button, 1, clsx(danger() ? "danger" : "primary"));
    button.disabled = get$1(busy) || disabled();
    set_text(text_2, get$1(busy) ? T.busy : $$props.submit);
  });
  event("submit", form, onsubmit);
  append($$anchor, form);
  pop();
}
var root$y = /* @__PURE__ */ from_html(`<dialog class="sheet"><div class="inside"><div class="title svelte-1v8btbv"><h2> </h2> <button class="icon"><!></button></div> <!></div></dialog>`);
function Sheet($$anchor, $$props) {
  const id = props_id();
  push($$props, true);
  let dialog;
  user_effect(() => {
    dialog.showModal();
    return () => dialog.close();
  });
  var dialog_1 = root$y();
  var div = child(dialog_1);
  var div_1 = child(div);
  var h2 = child(div_1);
  var text2 = only_child(h2, true);
  var button = sibling(h2, 2);
  var node = child(button);
  Icon(node, { name: "close" });
  var node_1 = sibling(div_1, 2);
  snippet(node_1, () => $$props.children);
  bind_this(dialog_1, ($$value) => dialog = $$value, () => dialog);
  template_effect(() => {
    set_attribute(dialog_1, "aria-labelledby", id);
    set_attribute(h2, "id", id);
    set_text(text2, $$props.title);
    set_attribute(button, "aria-label", T.close);
  });
  event("close", dialog_1, function(...$$args) {
    $$props.close?.apply(this, $$args);
  });
  delegated("click", dialog_1, (event2) => event2.target === dialog && $$props.close());
  delegated("click", button, function(...$$args) {
    $$props.close?.apply(this, $$args);
  });
  append($$anchor, dialog_1);
  pop();
}
delegate(["click"]);
var root$x = /* @__PURE__ */ from_html(`<button type="button"> </button>`);
var root_1$u = /* @__PURE__ */ from_html(`<p> </p> <!>`, 1);
function Confirm($$anchor, $$props) {
  push($$props, true);
  Sheet($$anchor, {
    get title() {
      return $$props.title;
    },
    get close() {
      return $$props.close;
    },
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_1$u();
      var p = first_child(fragment_1);
      var text_1 = only_child(p, true);
      var node = sibling(p, 2);
      {
        const beside = ($$anchor3) => {
          var button = root$x();
          var text_2 = only_child(button, true);
          template_effect(() => set_text(text_2, T.cancel));
          delegated("click", button, function(...$$args) {
            $$props.close?.apply(this, $$args);
          });
          append($$anchor3, button);
        };
        Form(node, {
          get submit() {
            return $$props.submit;
          },
          danger: true,
          act: async () => {
            await $$props.act();
            $$props.close();
          },
          beside,
          $$slots: { beside: true }
        });
      }
      template_effect(() => set_text(text_1, $$props.text));
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var rest_excludes = /* @__PURE__ */ new Set(["$$slots", "$$events", "$$legacy", "label", "hint", "value"]);
var root$w = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_1$t = /* @__PURE__ */ from_html(`<div class="field"><label class="label"> </label> <input/> <!></div>`);
function Field($$anchor, $$props) {
  const id = props_id();
  push($$props, true);
  let hint = prop($$props, "hint", 3, ""), value = prop($$props, "value", 15, ""), rest = /* @__PURE__ */ rest_props($$props, rest_excludes);
  var div = root_1$t();
  var label_1 = child(div);
  var text2 = only_child(label_1, true);
  var input = sibling(label_1, 2);
  attribute_effect(
    input,
    () => ({
      id,
      "aria-describedby": hint() ? `${id}-hint` : void 0,
      ...rest
    }),
    void 0,
    void 0,
    void 0,
    void 0,
    true
  );
  var node = sibling(input, 2);
  {
    var consequent = ($$anchor2) => {
      var p = root$w();
      var text_1 = only_child(p, true);
      template_effect(() => {
        set_attribute(p, "id", `${id}-hint`);
        set_text(text_1, hint());
      });
      append($$anchor2, p);
    };
    if_block(node, ($$render) => {
      if (hint()) $$render(consequent);
    });
  }
  template_effect(() => {
    set_attribute(label_1, "for", id);
    set_text(text2, $$props.label);
  });
  bind_value(input, value);
  append($$anchor, div);
  pop();
}
var root$v = /* @__PURE__ */ from_html(`<a class="button back"><!></a>`);
var root_1$s = /* @__PURE__ */ from_html(`<div><div class="top"><!> <h1 tabindex="-1"> </h1> <!></div> <!></div>`);
function Page($$anchor, $$props) {
  push($$props, true);
  let alone = prop($$props, "alone", 3, false);
  let heading;
  user_effect(() => heading.focus({ preventScroll: true }));
  var div = root_1$s();
  head("vsdkct", ($$anchor2) => {
    deferred_template_effect(() => {
      $document.title = `${$$props.title ?? ""} · ${T.app}`;
    });
  });
  var div_1 = child(div);
  var node = child(div_1);
  {
    var consequent = ($$anchor2) => {
      var a = root$v();
      var node_1 = child(a);
      Icon(node_1, { name: "back" });
      template_effect(() => {
        set_attribute(a, "href", $$props.back);
        set_attribute(a, "aria-label", T.back);
      });
      append($$anchor2, a);
    };
    if_block(node, ($$render) => {
      if ($$props.back) $$render(consequent);
    });
  }
  var h1 = sibling(node, 2);
  var text2 = only_child(h1, true);
  bind_this(h1, ($$value) => heading = $$value, () => heading);
  var node_2 = sibling(h1, 2);
  snippet(node_2, () => $$props.actions ?? noop);
  var node_3 = sibling(div_1, 2);
  snippet(node_3, () => $$props.children);
  template_effect(() => {
    set_class(div, 1, clsx(["page", { alone: alone() }]));
    set_text(text2, $$props.title);
  });
  append($$anchor, div);
  pop();
}
var root$u = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_1$r = /* @__PURE__ */ from_html(`<div class="field"><label class="label"> </label> <div class="both svelte-hyw37f"><input autocapitalize="none" spellcheck="false"/> <button type="button"> </button></div> <!></div>`);
function PasswordField($$anchor, $$props) {
  const id = props_id();
  push($$props, true);
  let label = prop($$props, "label", 19, () => T.password), hint = prop($$props, "hint", 3, ""), value = prop($$props, "value", 15, ""), name = prop($$props, "name", 3, "password"), required = prop($$props, "required", 3, true);
  let shown = /* @__PURE__ */ state(false);
  var div = root_1$r();
  var label_1 = child(div);
  var text2 = only_child(label_1, true);
  var div_1 = sibling(label_1, 2);
  var input = child(div_1);
  var button = sibling(input, 2);
  var text_1 = only_child(button, true);
  var node = sibling(div_1, 2);
  {
    var consequent = ($$anchor2) => {
      var p = root$u();
      var text_2 = only_child(p, true);
      template_effect(() => {
        set_attribute(p, "id", `${id}-hint`);
        set_text(text_2, hint());
      });
      append($$anchor2, p);
    };
    if_block(node, ($$render) => {
      if (hint()) $$render(consequent);
    });
  }
  template_effect(() => {
    set_attribute(label_1, "for", id);
    set_text(text2, label());
    set_attribute(input, "id", id);
    set_attribute(input, "name", name());
    set_attribute(input, "autocomplete", $$props.autocomplete);
    input.required = required();
    set_attribute(input, "type", get$1(shown) ? "text" : "password");
    set_attribute(input, "aria-describedby", hint() ? `${id}-hint` : void 0);
    set_attribute(button, "aria-pressed", get$1(shown));
    set_text(text_1, get$1(shown) ? T.hidePassword : T.showPassword);
  });
  bind_value(input, value);
  delegated("click", button, () => set(shown, !get$1(shown)));
  append($$anchor, div);
  pop();
}
delegate(["click"]);
var QrCodeDataType = /* @__PURE__ */ ((QrCodeDataType2) => {
  QrCodeDataType2[QrCodeDataType2["Border"] = -1] = "Border";
  QrCodeDataType2[QrCodeDataType2["Data"] = 0] = "Data";
  QrCodeDataType2[QrCodeDataType2["Function"] = 1] = "Function";
  QrCodeDataType2[QrCodeDataType2["Position"] = 2] = "Position";
  QrCodeDataType2[QrCodeDataType2["Timing"] = 3] = "Timing";
  QrCodeDataType2[QrCodeDataType2["Alignment"] = 4] = "Alignment";
  return QrCodeDataType2;
})(QrCodeDataType || {});
const LOW = [0, 1];
const MEDIUM = [1, 0];
const QUARTILE = [2, 3];
const HIGH = [3, 2];
const EccMap = {
  L: LOW,
  M: MEDIUM,
  Q: QUARTILE,
  H: HIGH
};
const NUMERIC_REGEX = /^\d*$/;
const ALPHANUMERIC_REGEX = /^[A-Z0-9 $%*+./:-]*$/;
const ALPHANUMERIC_CHARSET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const MIN_VERSION = 1;
const MAX_VERSION = 40;
const PENALTY_N1 = 3;
const PENALTY_N2 = 3;
const PENALTY_N3 = 40;
const PENALTY_N4 = 10;
const ECC_CODEWORDS_PER_BLOCK = [
  // Version: (note that index 0 is for padding, and is set to an illegal value)
  // 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40    Error correction level
  [-1, 7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
  // Low
  [-1, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  // Medium
  [-1, 13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
  // Quartile
  [-1, 17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30]
  // High
];
const NUM_ERROR_CORRECTION_BLOCKS = [
  // Version: (note that index 0 is for padding, and is set to an illegal value)
  // 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40    Error correction level
  [-1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25],
  // Low
  [-1, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49],
  // Medium
  [-1, 1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68],
  // Quartile
  [-1, 1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35, 37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81]
  // High
];
class QrCode {
  /* -- Constructor (low level) and fields -- */
  // Creates a new QR Code with the given version number,
  // error correction level, data codeword bytes, and mask number.
  // This is a low-level API that most users should not use directly.
  // A mid-level API is the encodeSegments() function.
  constructor(version, ecc, dataCodewords, msk) {
    this.version = version;
    this.ecc = ecc;
    if (version < MIN_VERSION || version > MAX_VERSION)
      throw new RangeError("Version value out of range");
    if (msk < -1 || msk > 7)
      throw new RangeError("Mask value out of range");
    this.size = version * 4 + 17;
    const row = Array.from({ length: this.size }).fill(false);
    for (let i = 0; i < this.size; i++) {
      this.modules.push(row.slice());
      this.types.push(row.map(() => 0));
    }
    this.drawFunctionPatterns();
    const allCodewords = this.addEccAndInterleave(dataCodewords);
    this.drawCodewords(allCodewords);
    if (msk === -1) {
      let minPenalty = 1e9;
      for (let i = 0; i < 8; i++) {
        this.applyMask(i);
        this.drawFormatBits(i);
        const penalty = this.getPenaltyScore();
        if (penalty < minPenalty) {
          msk = i;
          minPenalty = penalty;
        }
        this.applyMask(i);
      }
    }
    this.mask = msk;
    this.applyMask(msk);
    this.drawFormatBits(msk);
  }
  /* -- Fields -- */
  // The width and height of this QR Code, measured in modules, between
  // 21 and 177 (inclusive). This is equal to version * 4 + 17.
  size;
  // The index of the mask pattern used in this QR Code, which is between 0 and 7 (inclusive).
  // Even if a QR Code is created with automatic masking requested (mask = -1),
  // the resulting object still has a mask value between 0 and 7.
  mask;
  // The modules of this QR Code (false = light, true = dark).
  // Immutable after constructor finishes. Accessed through getModule().
  modules = [];
  types = [];
  /* -- Accessor methods -- */
  // Returns the color of the module (pixel) at the given coordinates, which is false
  // for light or true for dark. The top left corner has the coordinates (x=0, y=0).
  // If the given coordinates are out of bounds, then false (light) is returned.
  getModule(x, y) {
    return x >= 0 && x < this.size && y >= 0 && y < this.size && this.modules[y][x];
  }
  /* -- Private helper methods for constructor: Drawing function modules -- */
  // Reads this object's version field, and draws and marks all function modules.
  drawFunctionPatterns() {
    for (let i = 0; i < this.size; i++) {
      this.setFunctionModule(6, i, i % 2 === 0, QrCodeDataType.Timing);
      this.setFunctionModule(i, 6, i % 2 === 0, QrCodeDataType.Timing);
    }
    this.drawFinderPattern(3, 3);
    this.drawFinderPattern(this.size - 4, 3);
    this.drawFinderPattern(3, this.size - 4);
    const alignPatPos = this.getAlignmentPatternPositions();
    const numAlign = alignPatPos.length;
    for (let i = 0; i < numAlign; i++) {
      for (let j = 0; j < numAlign; j++) {
        if (!(i === 0 && j === 0 || i === 0 && j === numAlign - 1 || i === numAlign - 1 && j === 0))
          this.drawAlignmentPattern(alignPatPos[i], alignPatPos[j]);
      }
    }
    this.drawFormatBits(0);
    this.drawVersion();
  }
  // Draws two copies of the format bits (with its own error correction code)
  // based on the given mask and this object's error correction level field.
  drawFormatBits(mask) {
    const data = this.ecc[1] << 3 | mask;
    let rem = data;
    for (let i = 0; i < 10; i++)
      rem = rem << 1 ^ (rem >>> 9) * 1335;
    const bits = (data << 10 | rem) ^ 21522;
    for (let i = 0; i <= 5; i++)
      this.setFunctionModule(8, i, getBit(bits, i));
    this.setFunctionModule(8, 7, getBit(bits, 6));
    this.setFunctionModule(8, 8, getBit(bits, 7));
    this.setFunctionModule(7, 8, getBit(bits, 8));
    for (let i = 9; i < 15; i++)
      this.setFunctionModule(14 - i, 8, getBit(bits, i));
    for (let i = 0; i < 8; i++)
      this.setFunctionModule(this.size - 1 - i, 8, getBit(bits, i));
    for (let i = 8; i < 15; i++)
      this.setFunctionModule(8, this.size - 15 + i, getBit(bits, i));
    this.setFunctionModule(8, this.size - 8, true);
  }
  // Draws two copies of the version bits (with its own error correction code),
  // based on this object's version field, iff 7 <= version <= 40.
  drawVersion() {
    if (this.version < 7)
      return;
    let rem = this.version;
    for (let i = 0; i < 12; i++)
      rem = rem << 1 ^ (rem >>> 11) * 7973;
    const bits = this.version << 12 | rem;
    for (let i = 0; i < 18; i++) {
      const color = getBit(bits, i);
      const a = this.size - 11 + i % 3;
      const b = Math.floor(i / 3);
      this.setFunctionModule(a, b, color);
      this.setFunctionModule(b, a, color);
    }
  }
  // Draws a 9*9 finder pattern including the border separator,
  // with the center module at (x, y). Modules can be out of bounds.
  drawFinderPattern(x, y) {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const dist = Math.max(Math.abs(dx), Math.abs(dy));
        const xx = x + dx;
        const yy = y + dy;
        if (xx >= 0 && xx < this.size && yy >= 0 && yy < this.size)
          this.setFunctionModule(xx, yy, dist !== 2 && dist !== 4, QrCodeDataType.Position);
      }
    }
  }
  // Draws a 5*5 alignment pattern, with the center module
  // at (x, y). All modules must be in bounds.
  drawAlignmentPattern(x, y) {
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) {
        this.setFunctionModule(
          x + dx,
          y + dy,
          Math.max(Math.abs(dx), Math.abs(dy)) !== 1,
          QrCodeDataType.Alignment
        );
      }
    }
  }
  // Sets the color of a module and marks it as a function module.
  // Only used by the constructor. Coordinates must be in bounds.
  setFunctionModule(x, y, isDark, type = QrCodeDataType.Function) {
    this.modules[y][x] = isDark;
    this.types[y][x] = type;
  }
  /* -- Private helper methods for constructor: Codewords and masking -- */
  // Returns a new byte string representing the given data with the appropriate error correction
  // codewords appended to it, based on this object's version and error correction level.
  addEccAndInterleave(data) {
    const ver = this.version;
    const ecl = this.ecc;
    if (data.length !== getNumDataCodewords(ver, ecl))
      throw new RangeError("Invalid argument");
    const numBlocks = NUM_ERROR_CORRECTION_BLOCKS[ecl[0]][ver];
    const blockEccLen = ECC_CODEWORDS_PER_BLOCK[ecl[0]][ver];
    const rawCodewords = Math.floor(getNumRawDataModules(ver) / 8);
    const numShortBlocks = numBlocks - rawCodewords % numBlocks;
    const shortBlockLen = Math.floor(rawCodewords / numBlocks);
    const blocks = [];
    const rsDiv = reedSolomonComputeDivisor(blockEccLen);
    for (let i = 0, k = 0; i < numBlocks; i++) {
      const dat = data.slice(k, k + shortBlockLen - blockEccLen + (i < numShortBlocks ? 0 : 1));
      k += dat.length;
      const ecc = reedSolomonComputeRemainder(dat, rsDiv);
      if (i < numShortBlocks)
        dat.push(0);
      blocks.push(dat.concat(ecc));
    }
    const result = [];
    for (let i = 0; i < blocks[0].length; i++) {
      blocks.forEach((block2, j) => {
        if (i !== shortBlockLen - blockEccLen || j >= numShortBlocks)
          result.push(block2[i]);
      });
    }
    return result;
  }
  // Draws the given sequence of 8-bit codewords (data and error correction) onto the entire
  // data area of this QR Code. Function modules need to be marked off before this is called.
  drawCodewords(data) {
    if (data.length !== Math.floor(getNumRawDataModules(this.version) / 8))
      throw new RangeError("Invalid argument");
    let i = 0;
    for (let right = this.size - 1; right >= 1; right -= 2) {
      if (right === 6)
        right = 5;
      for (let vert = 0; vert < this.size; vert++) {
        for (let j = 0; j < 2; j++) {
          const x = right - j;
          const upward = (right + 1 & 2) === 0;
          const y = upward ? this.size - 1 - vert : vert;
          if (!this.types[y][x] && i < data.length * 8) {
            this.modules[y][x] = getBit(data[i >>> 3], 7 - (i & 7));
            i++;
          }
        }
      }
    }
  }
  // XORs the codeword modules in this QR Code with the given mask pattern.
  // The function modules must be marked and the codeword bits must be drawn
  // before masking. Due to the arithmetic of XOR, calling applyMask() with
  // the same mask value a second time will undo the mask. A final well-formed
  // QR Code needs exactly one (not zero, two, etc.) mask applied.
  applyMask(mask) {
    if (mask < 0 || mask > 7)
      throw new RangeError("Mask value out of range");
    for (let y = 0; y < this.size; y++) {
      for (let x = 0; x < this.size; x++) {
        let invert;
        switch (mask) {
          case 0:
            invert = (x + y) % 2 === 0;
            break;
          case 1:
            invert = y % 2 === 0;
            break;
          case 2:
            invert = x % 3 === 0;
            break;
          case 3:
            invert = (x + y) % 3 === 0;
            break;
          case 4:
            invert = (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0;
            break;
          case 5:
            invert = x * y % 2 + x * y % 3 === 0;
            break;
          case 6:
            invert = (x * y % 2 + x * y % 3) % 2 === 0;
            break;
          case 7:
            invert = ((x + y) % 2 + x * y % 3) % 2 === 0;
            break;
          default:
            throw new Error("Unreachable");
        }
        if (!this.types[y][x] && invert)
          this.modules[y][x] = !this.modules[y][x];
      }
    }
  }
  // Calculates and returns the penalty score based on state of this QR Code's current modules.
  // This is used by the automatic mask choice algorithm to find the mask pattern that yields the lowest score.
  getPenaltyScore() {
    let result = 0;
    for (let y = 0; y < this.size; y++) {
      let runColor = false;
      let runX = 0;
      const runHistory = [0, 0, 0, 0, 0, 0, 0];
      for (let x = 0; x < this.size; x++) {
        if (this.modules[y][x] === runColor) {
          runX++;
          if (runX === 5)
            result += PENALTY_N1;
          else if (runX > 5)
            result++;
        } else {
          this.finderPenaltyAddHistory(runX, runHistory);
          if (!runColor)
            result += this.finderPenaltyCountPatterns(runHistory) * PENALTY_N3;
          runColor = this.modules[y][x];
          runX = 1;
        }
      }
      result += this.finderPenaltyTerminateAndCount(runColor, runX, runHistory) * PENALTY_N3;
    }
    for (let x = 0; x < this.size; x++) {
      let runColor = false;
      let runY = 0;
      const runHistory = [0, 0, 0, 0, 0, 0, 0];
      for (let y = 0; y < this.size; y++) {
        if (this.modules[y][x] === runColor) {
          runY++;
          if (runY === 5)
            result += PENALTY_N1;
          else if (runY > 5)
            result++;
        } else {
          this.finderPenaltyAddHistory(runY, runHistory);
          if (!runColor)
            result += this.finderPenaltyCountPatterns(runHistory) * PENALTY_N3;
          runColor = this.modules[y][x];
          runY = 1;
        }
      }
      result += this.finderPenaltyTerminateAndCount(runColor, runY, runHistory) * PENALTY_N3;
    }
    for (let y = 0; y < this.size - 1; y++) {
      for (let x = 0; x < this.size - 1; x++) {
        const color = this.modules[y][x];
        if (color === this.modules[y][x + 1] && color === this.modules[y + 1][x] && color === this.modules[y + 1][x + 1]) {
          result += PENALTY_N2;
        }
      }
    }
    let dark = 0;
    for (const row of this.modules)
      dark = row.reduce((sum, color) => sum + (color ? 1 : 0), dark);
    const total = this.size * this.size;
    const k = Math.ceil(Math.abs(dark * 20 - total * 10) / total) - 1;
    result += k * PENALTY_N4;
    return result;
  }
  /* -- Private helper functions -- */
  // Returns an ascending list of positions of alignment patterns for this version number.
  // Each position is in the range [0,177), and are used on both the x and y axes.
  // This could be implemented as lookup table of 40 variable-length lists of integers.
  getAlignmentPatternPositions() {
    if (this.version === 1) {
      return [];
    } else {
      const numAlign = Math.floor(this.version / 7) + 2;
      const step = this.version === 32 ? 26 : Math.ceil((this.version * 4 + 4) / (numAlign * 2 - 2)) * 2;
      const result = [6];
      for (let pos = this.size - 7; result.length < numAlign; pos -= step)
        result.splice(1, 0, pos);
      return result;
    }
  }
  // Can only be called immediately after a light run is added, and
  // returns either 0, 1, or 2. A helper function for getPenaltyScore().
  finderPenaltyCountPatterns(runHistory) {
    const n = runHistory[1];
    const core = n > 0 && runHistory[2] === n && runHistory[3] === n * 3 && runHistory[4] === n && runHistory[5] === n;
    return (core && runHistory[0] >= n * 4 && runHistory[6] >= n ? 1 : 0) + (core && runHistory[6] >= n * 4 && runHistory[0] >= n ? 1 : 0);
  }
  // Must be called at the end of a line (row or column) of modules. A helper function for getPenaltyScore().
  finderPenaltyTerminateAndCount(currentRunColor, currentRunLength, runHistory) {
    if (currentRunColor) {
      this.finderPenaltyAddHistory(currentRunLength, runHistory);
      currentRunLength = 0;
    }
    currentRunLength += this.size;
    this.finderPenaltyAddHistory(currentRunLength, runHistory);
    return this.finderPenaltyCountPatterns(runHistory);
  }
  // Pushes the given value to the front and drops the last value. A helper function for getPenaltyScore().
  finderPenaltyAddHistory(currentRunLength, runHistory) {
    if (runHistory[0] === 0)
      currentRunLength += this.size;
    runHistory.pop();
    runHistory.unshift(currentRunLength);
  }
}
function appendBits(val, len, bb) {
  if (len < 0 || len > 31 || val >>> len !== 0)
    throw new RangeError("Value out of range");
  for (let i = len - 1; i >= 0; i--)
    bb.push(val >>> i & 1);
}
function getBit(x, i) {
  return (x >>> i & 1) !== 0;
}
class QrSegment {
  // Creates a new QR Code segment with the given attributes and data.
  // The character count (numChars) must agree with the mode and the bit buffer length,
  // but the constraint isn't checked. The given bit buffer is cloned and stored.
  constructor(mode, numChars, bitData) {
    this.mode = mode;
    this.numChars = numChars;
    this.bitData = bitData;
    if (numChars < 0)
      throw new RangeError("Invalid argument");
    this.bitData = bitData.slice();
  }
  /* -- Methods -- */
  // Returns a new copy of the data bits of this segment.
  getData() {
    return this.bitData.slice();
  }
}
const MODE_NUMERIC = [1, 10, 12, 14];
const MODE_ALPHANUMERIC = [2, 9, 11, 13];
const MODE_BYTE = [4, 8, 16, 16];
function numCharCountBits(mode, ver) {
  return mode[Math.floor((ver + 7) / 17) + 1];
}
function makeBytes(data) {
  const bb = [];
  for (const b of data)
    appendBits(b, 8, bb);
  return new QrSegment(MODE_BYTE, data.length, bb);
}
function makeNumeric(digits) {
  if (!isNumeric(digits))
    throw new RangeError("String contains non-numeric characters");
  const bb = [];
  for (let i = 0; i < digits.length; ) {
    const n = Math.min(digits.length - i, 3);
    appendBits(Number.parseInt(digits.substring(i, i + n), 10), n * 3 + 1, bb);
    i += n;
  }
  return new QrSegment(MODE_NUMERIC, digits.length, bb);
}
function makeAlphanumeric(text2) {
  if (!isAlphanumeric(text2))
    throw new RangeError("String contains unencodable characters in alphanumeric mode");
  const bb = [];
  let i;
  for (i = 0; i + 2 <= text2.length; i += 2) {
    let temp = ALPHANUMERIC_CHARSET.indexOf(text2.charAt(i)) * 45;
    temp += ALPHANUMERIC_CHARSET.indexOf(text2.charAt(i + 1));
    appendBits(temp, 11, bb);
  }
  if (i < text2.length)
    appendBits(ALPHANUMERIC_CHARSET.indexOf(text2.charAt(i)), 6, bb);
  return new QrSegment(MODE_ALPHANUMERIC, text2.length, bb);
}
function makeSegments(text2) {
  if (text2 === "")
    return [];
  else if (isNumeric(text2))
    return [makeNumeric(text2)];
  else if (isAlphanumeric(text2))
    return [makeAlphanumeric(text2)];
  else
    return [makeBytes(toUtf8ByteArray(text2))];
}
function isNumeric(text2) {
  return NUMERIC_REGEX.test(text2);
}
function isAlphanumeric(text2) {
  return ALPHANUMERIC_REGEX.test(text2);
}
function getTotalBits(segs, version) {
  let result = 0;
  for (const seg of segs) {
    const ccbits = numCharCountBits(seg.mode, version);
    if (seg.numChars >= 1 << ccbits)
      return Number.POSITIVE_INFINITY;
    result += 4 + ccbits + seg.bitData.length;
  }
  return result;
}
function toUtf8ByteArray(str) {
  str = encodeURI(str);
  const result = [];
  for (let i = 0; i < str.length; i++) {
    if (str.charAt(i) !== "%") {
      result.push(str.charCodeAt(i));
    } else {
      result.push(Number.parseInt(str.substring(i + 1, i + 3), 16));
      i += 2;
    }
  }
  return result;
}
function getNumRawDataModules(ver) {
  if (ver < MIN_VERSION || ver > MAX_VERSION)
    throw new RangeError("Version number out of range");
  let result = (16 * ver + 128) * ver + 64;
  if (ver >= 2) {
    const numAlign = Math.floor(ver / 7) + 2;
    result -= (25 * numAlign - 10) * numAlign - 55;
    if (ver >= 7)
      result -= 36;
  }
  return result;
}
function getNumDataCodewords(ver, ecl) {
  return Math.floor(getNumRawDataModules(ver) / 8) - ECC_CODEWORDS_PER_BLOCK[ecl[0]][ver] * NUM_ERROR_CORRECTION_BLOCKS[ecl[0]][ver];
}
function reedSolomonComputeDivisor(degree) {
  if (degree < 1 || degree > 255)
    throw new RangeError("Degree out of range");
  const result = [];
  for (let i = 0; i < degree - 1; i++)
    result.push(0);
  result.push(1);
  let root2 = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < result.length; j++) {
      result[j] = reedSolomonMultiply(result[j], root2);
      if (j + 1 < result.length)
        result[j] ^= result[j + 1];
    }
    root2 = reedSolomonMultiply(root2, 2);
  }
  return result;
}
function reedSolomonComputeRemainder(data, divisor) {
  const result = divisor.map((_) => 0);
  for (const b of data) {
    const factor = b ^ result.shift();
    result.push(0);
    divisor.forEach((coef, i) => result[i] ^= reedSolomonMultiply(coef, factor));
  }
  return result;
}
function reedSolomonMultiply(x, y) {
  if (x >>> 8 !== 0 || y >>> 8 !== 0)
    throw new RangeError("Byte out of range");
  let z = 0;
  for (let i = 7; i >= 0; i--) {
    z = z << 1 ^ (z >>> 7) * 285;
    z ^= (y >>> i & 1) * x;
  }
  return z;
}
function encodeSegments(segs, ecl, minVersion = 1, maxVersion = 40, mask = -1, boostEcl = true) {
  if (!(MIN_VERSION <= minVersion && minVersion <= maxVersion && maxVersion <= MAX_VERSION) || mask < -1 || mask > 7) {
    throw new RangeError("Invalid value");
  }
  let version;
  let dataUsedBits;
  for (version = minVersion; ; version++) {
    const dataCapacityBits2 = getNumDataCodewords(version, ecl) * 8;
    const usedBits = getTotalBits(segs, version);
    if (usedBits <= dataCapacityBits2) {
      dataUsedBits = usedBits;
      break;
    }
    if (version >= maxVersion)
      throw new RangeError("Data too long");
  }
  for (const newEcl of [MEDIUM, QUARTILE, HIGH]) {
    if (boostEcl && dataUsedBits <= getNumDataCodewords(version, newEcl) * 8)
      ecl = newEcl;
  }
  const bb = [];
  for (const seg of segs) {
    appendBits(seg.mode[0], 4, bb);
    appendBits(seg.numChars, numCharCountBits(seg.mode, version), bb);
    for (const b of seg.getData())
      bb.push(b);
  }
  const dataCapacityBits = getNumDataCodewords(version, ecl) * 8;
  appendBits(0, Math.min(4, dataCapacityBits - bb.length), bb);
  appendBits(0, (8 - bb.length % 8) % 8, bb);
  for (let padByte = 236; bb.length < dataCapacityBits; padByte ^= 236 ^ 17)
    appendBits(padByte, 8, bb);
  const dataCodewords = Array.from({ length: Math.ceil(bb.length / 8) }, () => 0);
  bb.forEach((b, i) => dataCodewords[i >>> 3] |= b << 7 - (i & 7));
  return new QrCode(version, ecl, dataCodewords, mask);
}
function encode(data, options) {
  const {
    ecc = "L",
    boostEcc = false,
    minVersion = 1,
    maxVersion = 40,
    maskPattern = -1,
    border = 1
  } = options || {};
  const segment = typeof data === "string" ? makeSegments(data) : Array.isArray(data) ? [makeBytes(data)] : void 0;
  if (!segment)
    throw new Error(`uqr only supports encoding string and binary data, but got: ${typeof data}`);
  const qr = encodeSegments(
    segment,
    EccMap[ecc],
    minVersion,
    maxVersion,
    maskPattern,
    boostEcc
  );
  const result = addBorder({
    version: qr.version,
    maskPattern: qr.mask,
    size: qr.size,
    data: qr.modules,
    types: qr.types
  }, border);
  if (options?.invert)
    result.data = result.data.map((row) => row.map((mod) => !mod));
  options?.onEncoded?.(result);
  return result;
}
function addBorder(input, border = 1) {
  if (!border)
    return input;
  const { size: size2 } = input;
  const newSize = size2 + border * 2;
  input.size = newSize;
  input.data.forEach((row) => {
    for (let i = 0; i < border; i++) {
      row.unshift(false);
      row.push(false);
    }
  });
  for (let i = 0; i < border; i++) {
    input.data.unshift(Array.from({ length: newSize }, (_) => false));
    input.data.push(Array.from({ length: newSize }, (_) => false));
  }
  const b = QrCodeDataType.Border;
  input.types.forEach((row) => {
    for (let i = 0; i < border; i++) {
      row.unshift(b);
      row.push(b);
    }
  });
  for (let i = 0; i < border; i++) {
    input.types.unshift(Array.from({ length: newSize }, (_) => b));
    input.types.push(Array.from({ length: newSize }, (_) => b));
  }
  return input;
}
var root$t = /* @__PURE__ */ from_svg(`<svg role="img" shape-rendering="crispEdges" class="svelte-15cbps1"><rect fill="#fff"></rect><path fill="#000"></path></svg>`);
function Qr($$anchor, $$props) {
  push($$props, true);
  const code = /* @__PURE__ */ user_derived(() => encode($$props.text, { ecc: "M", border: 3 }));
  const path = /* @__PURE__ */ user_derived(() => get$1(code).data.flatMap((row, y) => row.map((dark, x) => dark ? `M${x} ${y}h1v1h-1z` : "")).join(""));
  var svg = root$t();
  var rect = child(svg);
  var path_1 = sibling(rect);
  template_effect(() => {
    set_attribute(svg, "viewBox", `0 0 ${get$1(code).size ?? ""} ${get$1(code).size ?? ""}`);
    set_attribute(svg, "aria-label", $$props.label);
    set_attribute(rect, "width", get$1(code).size);
    set_attribute(rect, "height", get$1(code).size);
    set_attribute(path_1, "d", get$1(path));
  });
  append($$anchor, svg);
  pop();
}
const time = new Intl.DateTimeFormat(void 0, { hour: "2-digit", minute: "2-digit" });
const timeSeconds = new Intl.DateTimeFormat(void 0, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(void 0, { weekday: "short", day: "numeric", month: "short" });
const dayYear = new Intl.DateTimeFormat(void 0, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const moment = new Intl.DateTimeFormat(void 0, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const ms = (when) => typeof when === "number" ? when : Date.parse(when);
const clockTime = (when) => time.format(ms(when));
const clockTimeSeconds = (when) => timeSeconds.format(ms(when));
const shortDay = (when) => day.format(ms(when));
const longDay = (when) => dayYear.format(ms(when));
const shortMoment = (when) => moment.format(ms(when));
const number = new Intl.NumberFormat(void 0, { maximumFractionDigits: 1 });
function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1e3;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : number.format(value)} ${units[unit]}`;
}
function length(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1e3));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = seconds;
  const shown = [];
  for (const [name, worth] of units) {
    const count = Math.floor(rest / worth);
    rest -= count * worth;
    if (count > 0) shown.push(`${count} ${name}`);
  }
  return shown.slice(0, 2).join(" ") || "0 s";
}
var root$s = /* @__PURE__ */ from_html(`<button class="plain danger"> </button>`);
var root_1$q = /* @__PURE__ */ from_html(`<li class="row"><span class="text"><span class="name"> </span> <small> </small></span> <button class="plain"> </button> <!></li>`);
var root_2$k = /* @__PURE__ */ from_html(`<!> <!> <label class="check"><input type="checkbox"/> </label>`, 1);
var root_3$f = /* @__PURE__ */ from_html(`<p> </p> <!> <p> <span class="mono"> </span></p> <!>`, 1);
var root_4$c = /* @__PURE__ */ from_html(`<section class="section"><h2> </h2> <div class="card"><!></div></section> <section class="section"><h2> </h2> <div class="card"><p> </p> <p class="note" role="status"> </p> <!></div></section>`, 1);
var root_5$8 = /* @__PURE__ */ from_html(`<section class="card"><!></section> <section class="section"><h2> </h2> <p class="problem" role="alert"> </p> <ul class="list" data-testid="devices"></ul></section> <!> <!> <!>`, 1);
function Account($$anchor, $$props) {
  push($$props, true);
  const A = T.account;
  let name = /* @__PURE__ */ state(proxy(hub.me?.name ?? ""));
  let current = /* @__PURE__ */ state("");
  let next = /* @__PURE__ */ state("");
  let keep = /* @__PURE__ */ state(false);
  let totpPassword = /* @__PURE__ */ state("");
  let totp = /* @__PURE__ */ state(null);
  let code = /* @__PURE__ */ state("");
  let totpNote = /* @__PURE__ */ state("");
  let devices = /* @__PURE__ */ state([]);
  let problem = /* @__PURE__ */ state("");
  let signingOut = /* @__PURE__ */ state(null);
  let renaming = /* @__PURE__ */ state(null);
  let newName = /* @__PURE__ */ state("");
  async function load() {
    try {
      set(devices, await get("/sessions"));
    } catch (error) {
      set(problem, words(error), true);
    }
  }
  void load();
  async function rename() {
    hub.me = await api("PATCH", "/me", { name: get$1(name) });
  }
  async function changePassword() {
    await api("POST", "/me/password", {
      current: get$1(current),
      new: get$1(next),
      keep_devices: get$1(keep)
    });
    set(current, set(next, ""), true);
    await load();
  }
  async function beginTotp() {
    set(totp, await api("POST", "/me/totp", { password: get$1(totpPassword) }));
    set(totpPassword, set(totpNote, ""), true);
  }
  async function confirmTotp() {
    await api("POST", "/me/totp/confirm", { code: get$1(code).replace(/\s/g, "") });
    set(totp, null);
    set(code, "");
    set(totpNote, A.totpDone, true);
    await hub.refresh();
  }
  async function endTotp() {
    await api("DELETE", "/me/totp", { password: get$1(totpPassword) });
    set(totpPassword, "");
    set(totpNote, A.totpRemoved, true);
    await hub.refresh();
  }
  async function renameDevice() {
    await api("PATCH", `/sessions/${get$1(renaming)?.id}`, { device: get$1(newName) });
    set(renaming, null);
    await load();
  }
  Page($$anchor, {
    get title() {
      return A.title;
    },
    back: "#/settings",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_5$8();
      var section = first_child(fragment_1);
      var node = child(section);
      Form(node, {
        act: rename,
        get submit() {
          return T.save;
        },
        get done() {
          return T.saved;
        },
        children: ($$anchor3, $$slotProps2) => {
          Field($$anchor3, {
            get label() {
              return A.name;
            },
            autocomplete: "username",
            required: true,
            maxlength: 64,
            get value() {
              return get$1(name);
            },
            set value($$value) {
              set(name, $$value, true);
            }
          });
        },
        $$slots: { default: true }
      });
      var section_1 = sibling(section, 2);
      var h2 = child(section_1);
      var text2 = only_child(h2, true);
      var p = sibling(h2, 2);
      var text_1 = only_child(p, true);
      var ul = sibling(p, 2);
      each(ul, 21, () => get$1(devices), (device) => device.id, ($$anchor3, device) => {
        var li = root_1$q();
        var span2 = child(li);
        var span_1 = child(span2);
        var text_2 = only_child(span_1);
        var small = sibling(span_1, 2);
        var text_3 = only_child(small, true);
        var button = sibling(span2, 2);
        var text_4 = only_child(button, true);
        var node_1 = sibling(button, 2);
        {
          var consequent = ($$anchor4) => {
            var button_1 = root$s();
            var text_5 = only_child(button_1, true);
            template_effect(() => {
              set_attribute(button_1, "aria-label", `${A.signOutDevice}: ${get$1(device).device ?? ""}`);
              set_text(text_5, A.signOutDevice);
            });
            delegated("click", button_1, () => set(signingOut, get$1(device)));
            append($$anchor4, button_1);
          };
          if_block(node_1, ($$render) => {
            if (!get$1(device).current) $$render(consequent);
          });
        }
        template_effect(
          ($0) => {
            set_text(text_2, `${get$1(device).device ?? ""}${get$1(device).current ? ` (${A.current_device})` : ""}`);
            set_text(text_3, $0);
            set_attribute(button, "aria-label", `${A.rename}: ${get$1(device).device ?? ""}`);
            set_text(text_4, A.rename);
          },
          [
            () => get$1(device).last_used ? A.lastUsed(shortMoment(get$1(device).last_used)) : A.since(shortMoment(get$1(device).created))
          ]
        );
        delegated("click", button, () => {
          set(newName, get$1(device).device, true);
          set(renaming, get$1(device));
        });
        append($$anchor3, li);
      });
      var node_2 = sibling(section_1, 2);
      {
        var consequent_2 = ($$anchor3) => {
          var fragment_3 = root_4$c();
          var section_2 = first_child(fragment_3);
          var h2_1 = child(section_2);
          var text_6 = only_child(h2_1, true);
          var div = sibling(h2_1, 2);
          var node_3 = child(div);
          Form(node_3, {
            act: changePassword,
            get submit() {
              return A.change;
            },
            get done() {
              return A.changed;
            },
            children: ($$anchor4, $$slotProps2) => {
              var fragment_4 = root_2$k();
              var node_4 = first_child(fragment_4);
              PasswordField(node_4, {
                get label() {
                  return A.current;
                },
                name: "current",
                autocomplete: "current-password",
                get value() {
                  return get$1(current);
                },
                set value($$value) {
                  set(current, $$value, true);
                }
              });
              var node_5 = sibling(node_4, 2);
              PasswordField(node_5, {
                get label() {
                  return A.next;
                },
                get hint() {
                  return T.claim.passwordHint;
                },
                name: "new",
                autocomplete: "new-password",
                get value() {
                  return get$1(next);
                },
                set value($$value) {
                  set(next, $$value, true);
                }
              });
              var label = sibling(node_5, 2);
              var input = child(label);
              var text_7 = sibling(input, 1, true);
              template_effect(() => set_text(text_7, A.keep));
              bind_checked(input, () => get$1(keep), ($$value) => set(keep, $$value));
              append($$anchor4, fragment_4);
            },
            $$slots: { default: true }
          });
          var section_3 = sibling(section_2, 2);
          var h2_2 = child(section_3);
          var text_8 = only_child(h2_2, true);
          var div_1 = sibling(h2_2, 2);
          var p_1 = child(div_1);
          var text_9 = only_child(p_1, true);
          var p_2 = sibling(p_1, 2);
          var text_10 = only_child(p_2, true);
          var node_6 = sibling(p_2, 2);
          {
            var consequent_1 = ($$anchor4) => {
              var fragment_5 = root_3$f();
              var p_3 = first_child(fragment_5);
              var text_11 = only_child(p_3, true);
              var node_7 = sibling(p_3, 2);
              Qr(node_7, {
                get text() {
                  return get$1(totp).uri;
                },
                get label() {
                  return A.totpQr;
                }
              });
              var p_4 = sibling(node_7, 2);
              var text_12 = child(p_4);
              var span_2 = sibling(text_12);
              var text_13 = only_child(span_2, true);
              var node_8 = sibling(p_4, 2);
              Form(node_8, {
                act: confirmTotp,
                get submit() {
                  return A.totpConfirm;
                },
                children: ($$anchor5, $$slotProps2) => {
                  Field($$anchor5, {
                    get label() {
                      return A.totpCode;
                    },
                    inputmode: "numeric",
                    autocomplete: "one-time-code",
                    required: true,
                    get value() {
                      return get$1(code);
                    },
                    set value($$value) {
                      set(code, $$value, true);
                    }
                  });
                },
                $$slots: { default: true }
              });
              template_effect(() => {
                set_text(text_11, A.totpScan);
                set_text(text_12, `${A.totpKey}: `);
                set_text(text_13, get$1(totp).secret);
              });
              append($$anchor4, fragment_5);
            };
            var alternate = ($$anchor4) => {
              {
                let $0 = /* @__PURE__ */ user_derived(() => hub.me.totp ? endTotp : beginTotp);
                let $1 = /* @__PURE__ */ user_derived(() => hub.me.totp ? A.totpDisable : A.totpBegin);
                Form($$anchor4, {
                  get act() {
                    return get$1($0);
                  },
                  get submit() {
                    return get$1($1);
                  },
                  children: ($$anchor5, $$slotProps2) => {
                    PasswordField($$anchor5, {
                      name: "totp-password",
                      autocomplete: "current-password",
                      get value() {
                        return get$1(totpPassword);
                      },
                      set value($$value) {
                        set(totpPassword, $$value, true);
                      }
                    });
                  },
                  $$slots: { default: true }
                });
              }
            };
            if_block(node_6, ($$render) => {
              if (get$1(totp)) $$render(consequent_1);
              else $$render(alternate, -1);
            });
          }
          template_effect(() => {
            set_text(text_6, A.passwordTitle);
            set_text(text_8, A.totpTitle);
            set_text(text_9, hub.me.totp ? A.totpOn : A.totpOff);
            set_text(text_10, get$1(totpNote));
          });
          append($$anchor3, fragment_3);
        };
        if_block(node_2, ($$render) => {
          if (hub.me?.has_password) $$render(consequent_2);
        });
      }
      var node_9 = sibling(node_2, 2);
      {
        var consequent_3 = ($$anchor3) => {
          const computed_const = /* @__PURE__ */ user_derived(() => {
            return get$1(signingOut);
          });
          {
            let $0 = /* @__PURE__ */ user_derived(() => A.signOutTitle(get$1(computed_const).device));
            Confirm($$anchor3, {
              get title() {
                return get$1($0);
              },
              get text() {
                return A.signOutText;
              },
              get submit() {
                return A.signOutDevice;
              },
              close: () => set(signingOut, null),
              act: async () => {
                await api("DELETE", `/sessions/${get$1(computed_const).id}`);
                await load();
              }
            });
          }
        };
        if_block(node_9, ($$render) => {
          if (get$1(signingOut)) $$render(consequent_3);
        });
      }
      var node_10 = sibling(node_9, 2);
      {
        var consequent_4 = ($$anchor3) => {
          Sheet($$anchor3, {
            get title() {
              return A.rename;
            },
            close: () => set(renaming, null),
            children: ($$anchor4, $$slotProps2) => {
              Form($$anchor4, {
                act: renameDevice,
                get submit() {
                  return T.save;
                },
                children: ($$anchor5, $$slotProps3) => {
                  Field($$anchor5, {
                    get label() {
                      return A.deviceName;
                    },
                    required: true,
                    maxlength: 64,
                    get value() {
                      return get$1(newName);
                    },
                    set value($$value) {
                      set(newName, $$value, true);
                    }
                  });
                },
                $$slots: { default: true }
              });
            },
            $$slots: { default: true }
          });
        };
        if_block(node_10, ($$render) => {
          if (get$1(renaming)) $$render(consequent_4);
        });
      }
      template_effect(() => {
        set_text(text2, A.devices);
        set_text(text_1, get$1(problem));
      });
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var root$r = /* @__PURE__ */ from_html(`<li class="row"><span class="text"><span><strong> </strong> </span> <small> <span class="about svelte-c4c6h0"> </span></small></span></li>`);
var root_1$p = /* @__PURE__ */ from_html(`<ol class="list" data-testid="audit"></ol>`);
var root_2$j = /* @__PURE__ */ from_html(`<p class="empty"> </p>`);
var root_3$e = /* @__PURE__ */ from_html(`<div class="actions wide"><button> </button></div>`);
var root_4$b = /* @__PURE__ */ from_html(`<p class="hint"> </p> <p class="problem" role="alert"> </p> <!> <!>`, 1);
function Audit($$anchor, $$props) {
  push($$props, true);
  const A = T.audit;
  let items2 = /* @__PURE__ */ state([]);
  let next = /* @__PURE__ */ state(null);
  let loaded = /* @__PURE__ */ state(false);
  let problem = /* @__PURE__ */ state("");
  async function load(cursor = null) {
    try {
      const page = await get(`/audit${query({ cursor, limit: 50 })}`);
      set(items2, [...cursor ? get$1(items2) : [], ...page.items]);
      set(next, page.next);
      set(problem, "");
    } catch (error) {
      set(problem, words(error), true);
    }
    set(loaded, true);
  }
  void load();
  const who = (entry) => entry.who_name ?? { hub: A.hub, console: A.console }[entry.who] ?? entry.who;
  const about = (text2) => text2.split(" ").map((word) => hub.camera(word.replace(/:$/, ""))?.name ?? word).join(" ");
  Page($$anchor, {
    get title() {
      return A.title;
    },
    back: "#/settings",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_4$b();
      var p = first_child(fragment_1);
      var text_1 = only_child(p, true);
      var p_1 = sibling(p, 2);
      var text_2 = only_child(p_1, true);
      var node = sibling(p_1, 2);
      {
        var consequent = ($$anchor3) => {
          var ol = root_1$p();
          each(ol, 21, () => get$1(items2), (entry) => entry.sequence, ($$anchor4, entry) => {
            var li = root$r();
            var span2 = child(li);
            var span_1 = child(span2);
            var strong = child(span_1);
            var text_3 = only_child(strong, true);
            var text_4 = sibling(strong);
            var small = sibling(span_1, 2);
            var text_5 = child(small);
            var span_2 = sibling(text_5);
            var text_6 = only_child(span_2, true);
            template_effect(
              ($0, $1, $2) => {
                set_text(text_3, $0);
                set_text(text_4, ` ${A.actions[get$1(entry).what] ?? get$1(entry).what ?? ""}`);
                set_text(text_5, `${$1 ?? ""} · `);
                set_text(text_6, $2);
              },
              [
                () => who(get$1(entry)),
                () => shortMoment(get$1(entry).at),
                () => about(get$1(entry).about)
              ]
            );
            append($$anchor4, li);
          });
          append($$anchor3, ol);
        };
        var consequent_1 = ($$anchor3) => {
          var p_2 = root_2$j();
          var text_7 = only_child(p_2, true);
          template_effect(() => set_text(text_7, A.none));
          append($$anchor3, p_2);
        };
        if_block(node, ($$render) => {
          if (get$1(items2).length) $$render(consequent);
          else if (get$1(loaded) && !get$1(problem)) $$render(consequent_1, 1);
        });
      }
      var node_1 = sibling(node, 2);
      {
        var consequent_2 = ($$anchor3) => {
          var div = root_3$e();
          var button = child(div);
          var text_8 = only_child(button, true);
          template_effect(() => set_text(text_8, T.more));
          delegated("click", button, () => load(get$1(next)));
          append($$anchor3, div);
        };
        if_block(node_1, ($$render) => {
          if (get$1(next)) $$render(consequent_2);
        });
      }
      template_effect(() => {
        set_text(text_1, A.intro);
        set_text(text_2, get$1(problem));
      });
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var root$q = /* @__PURE__ */ from_html(`<option> </option>`);
var root_1$o = /* @__PURE__ */ from_html(`<p> </p>`);
var root_2$i = /* @__PURE__ */ from_html(`<p class="note"> </p> <!>`, 1);
var root_3$d = /* @__PURE__ */ from_html(`<!> <!> <!> <details><summary> </summary> <div class="stack"><div class="field"><label class="label"> </label> <select></select></div> <!></div></details> <div class="actions"><button type="button" data-testid="test"> </button></div> <p class="problem" role="alert"> </p> <div role="status"><!></div>`, 1);
function SourceFields($$anchor, $$props) {
  const id = props_id();
  push($$props, true);
  let source2 = prop($$props, "source", 15);
  let testing = /* @__PURE__ */ state(false);
  let result = /* @__PURE__ */ state(null);
  let problem = /* @__PURE__ */ state("");
  async function test() {
    set(testing, true);
    set(problem, "");
    set(result, null);
    try {
      const { url, username, password, transport, certificate } = source2();
      set(result, await api("POST", "/cameras/probe", {
        url,
        transport,
        ...username && { username },
        ...password && { password },
        ...certificate && { certificate }
      }));
    } catch (error) {
      set(problem, words(error), true);
    } finally {
      set(testing, false);
    }
  }
  var fragment = root_3$d();
  var node = first_child(fragment);
  Field(node, {
    get label() {
      return T.cameras.url;
    },
    get hint() {
      return T.cameras.urlHint;
    },
    name: "url",
    type: "url",
    get placeholder() {
      return T.cameras.urlPlaceholder;
    },
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    get value() {
      return source2().url;
    },
    set value($$value) {
      source2(source2().url = $$value, true);
    }
  });
  var node_1 = sibling(node, 2);
  Field(node_1, {
    get label() {
      return T.cameras.username;
    },
    get hint() {
      return T.cameras.usernameHint;
    },
    name: "username",
    autocomplete: "off",
    autocapitalize: "none",
    get value() {
      return source2().username;
    },
    set value($$value) {
      source2(source2().username = $$value, true);
    }
  });
  var node_2 = sibling(node_1, 2);
  {
    let $0 = /* @__PURE__ */ user_derived(() => $$props.old?.username ? T.cameras.passwordKept : T.cameras.usernameHint);
    PasswordField(node_2, {
      get label() {
        return T.cameras.cameraPassword;
      },
      get hint() {
        return get$1($0);
      },
      autocomplete: "off",
      required: false,
      get value() {
        return source2().password;
      },
      set value($$value) {
        source2(source2().password = $$value, true);
      }
    });
  }
  var details = sibling(node_2, 2);
  var summary = child(details);
  var text2 = only_child(summary, true);
  var div = sibling(summary, 2);
  var div_1 = child(div);
  var label_1 = child(div_1);
  var text_1 = only_child(label_1, true);
  var select = sibling(label_1, 2);
  each(select, 21, () => Object.entries(T.cameras.transports), ([value, label]) => value, ($$anchor2, $$item) => {
    var $$array = /* @__PURE__ */ user_derived(() => to_array(get$1($$item), 2));
    let value = () => get$1($$array)[0];
    let label = () => get$1($$array)[1];
    var option = root$q();
    var text_2 = only_child(option, true);
    var option_value = {};
    template_effect(() => {
      set_text(text_2, label());
      if (option_value !== (option_value = value())) {
        option.value = (option.__value = option_value) ?? "";
      }
    });
    append($$anchor2, option);
  });
  init_select(select);
  var node_3 = sibling(div_1, 2);
  Field(node_3, {
    get label() {
      return T.cameras.certificate;
    },
    get hint() {
      return T.cameras.certificateHint;
    },
    autocapitalize: "none",
    spellcheck: "false",
    get value() {
      return source2().certificate;
    },
    set value($$value) {
      source2(source2().certificate = $$value, true);
    }
  });
  var div_2 = sibling(details, 2);
  var button = child(div_2);
  var text_3 = only_child(button, true);
  var p = sibling(div_2, 2);
  var text_4 = only_child(p, true);
  var div_3 = sibling(p, 2);
  var node_4 = child(div_3);
  {
    var consequent_1 = ($$anchor2) => {
      var fragment_1 = root_2$i();
      var p_1 = first_child(fragment_1);
      var text_5 = only_child(p_1, true);
      var node_5 = sibling(p_1, 2);
      {
        var consequent = ($$anchor3) => {
          var p_2 = root_1$o();
          var text_6 = only_child(p_2, true);
          template_effect(($0) => set_text(text_6, $0), [() => T.cameras.testedSound(get$1(result).sound_dropped)]);
          append($$anchor3, p_2);
        };
        if_block(node_5, ($$render) => {
          if (get$1(result).sound_dropped) $$render(consequent);
        });
      }
      template_effect(($0) => set_text(text_5, $0), [
        () => T.cameras.tested(`${get$1(result).width}×${get$1(result).height}`, get$1(result).codec, get$1(result).via.transport.toUpperCase())
      ]);
      append($$anchor2, fragment_1);
    };
    if_block(node_4, ($$render) => {
      if (get$1(result)) $$render(consequent_1);
    });
  }
  template_effect(() => {
    set_text(text2, T.cameras.more);
    set_attribute(label_1, "for", id);
    set_text(text_1, T.cameras.transport);
    set_attribute(select, "id", id);
    button.disabled = get$1(testing) || !source2().url;
    set_text(text_3, get$1(testing) ? T.cameras.testing : T.cameras.test);
    set_text(text_4, get$1(problem));
  });
  bind_select_value(select, () => source2().transport, ($$value) => source2(source2().transport = $$value, true));
  delegated("click", button, test);
  append($$anchor, fragment);
  pop();
}
delegate(["click"]);
var root$p = /* @__PURE__ */ from_html(`<p> </p>`);
var root_1$n = /* @__PURE__ */ from_html(`<p> </p> <div class="actions"><button class="primary"> </button></div>`, 1);
var root_2$h = /* @__PURE__ */ from_html(`<div class="actions" role="group"><button> </button> <button> </button></div>`);
var root_3$c = /* @__PURE__ */ from_html(`<dt> </dt><dd> </dd>`, 1);
var root_4$a = /* @__PURE__ */ from_html(`<section class="card"><p class="state svelte-tz159a"><span></span><strong> </strong></p> <!> <!> <p class="problem" role="alert"> </p></section> <section class="section"><h2> </h2> <dl class="card facts"><!> <!> <!> <!> <!></dl></section>`, 1);
var root_5$7 = /* @__PURE__ */ from_html(`<fieldset class="card"><legend> </legend> <!></fieldset>`);
var root_6$6 = /* @__PURE__ */ from_html(`<!> <fieldset class="card"><legend> </legend> <!></fieldset> <div><label class="check"><input type="checkbox"/> </label> <p class="hint"> </p></div> <!>`, 1);
var root_7$5 = /* @__PURE__ */ from_html(`<div class="actions"><button class="plain danger"> </button></div>`);
var root_8$4 = /* @__PURE__ */ from_html(`<!> <!> <!> <!>`, 1);
function CameraEdit($$anchor, $$props) {
  push($$props, true);
  const C = T.cameras;
  const camera = /* @__PURE__ */ user_derived(() => hub.camera($$props.id));
  const draft = (source2) => ({
    url: source2?.url ?? "",
    username: source2?.username ?? "",
    password: "",
    transport: source2?.transport ?? "auto",
    certificate: source2?.certificate ?? ""
  });
  const first = hub.camera($$props.id);
  let name = /* @__PURE__ */ state(proxy(first?.name ?? ""));
  let main = /* @__PURE__ */ state(proxy(draft(first?.main)));
  let sub = /* @__PURE__ */ state(proxy(draft(first?.sub)));
  let hasSub = /* @__PURE__ */ state(!!first?.sub);
  let removing = /* @__PURE__ */ state(false);
  let problem = /* @__PURE__ */ state("");
  const given = ({ url, username, password, transport, certificate }) => ({
    url,
    transport,
    ...username && { username },
    ...password && { password },
    ...certificate && { certificate }
  });
  function changed(now, old) {
    if (!old) return given(now);
    const change = {};
    if (now.url !== old.url) change.url = now.url;
    if (now.transport !== old.transport) change.transport = now.transport;
    if (now.username !== (old.username ?? "")) change.username = now.username || null;
    if (now.certificate !== (old.certificate ?? "")) change.certificate = now.certificate || null;
    if (now.password) change.password = now.password;
    else if (!now.username && old.username) change.password = null;
    return Object.keys(change).length ? change : void 0;
  }
  async function save() {
    if (!get$1(camera)) {
      const made = await api("POST", "/cameras", {
        name: get$1(name),
        main: given(get$1(main)),
        ...get$1(hasSub) && { sub: given(get$1(sub)) }
      });
      await hub.refresh();
      router.go(`#/camera/${made.id}`, true);
      return;
    }
    const [mainChange, subChange] = [
      changed(get$1(main), get$1(camera).main),
      get$1(hasSub) ? changed(get$1(sub), get$1(camera).sub) : get$1(camera).sub ? null : void 0
    ];
    await api("PATCH", cameraPath($$props.id), {
      ...get$1(name) !== get$1(camera).name && { name: get$1(name) },
      ...mainChange && { main: mainChange },
      ...subChange !== void 0 && { sub: subChange }
    });
    get$1(main).password = get$1(sub).password = "";
    await hub.refresh();
  }
  async function pause(body) {
    set(problem, "");
    try {
      await api("PATCH", cameraPath($$props.id), body);
      await hub.refresh();
    } catch (error) {
      set(problem, words(error), true);
    }
  }
  async function remove() {
    await api("DELETE", cameraPath($$props.id));
    await hub.refresh();
    router.go("#/cameras", true);
  }
  {
    let $0 = /* @__PURE__ */ user_derived(() => get$1(camera)?.name ?? ($$props.id === "new" ? C.add : C.edit));
    Page($$anchor, {
      get title() {
        return get$1($0);
      },
      back: "#/cameras",
      children: ($$anchor2, $$slotProps) => {
        var fragment_1 = comment();
        var node = first_child(fragment_1);
        {
          var consequent = ($$anchor3) => {
            var p = root$p();
            var text2 = only_child(p, true);
            template_effect(() => set_text(text2, T.watch.gone));
            append($$anchor3, p);
          };
          var alternate_1 = ($$anchor3) => {
            var fragment_2 = root_8$4();
            var node_1 = first_child(fragment_2);
            {
              var consequent_8 = ($$anchor4) => {
                var fragment_3 = root_4$a();
                var section = first_child(fragment_3);
                var p_1 = child(section);
                var span2 = child(p_1);
                var strong = sibling(span2);
                var text_1 = only_child(strong, true);
                var node_2 = sibling(p_1, 2);
                {
                  var consequent_1 = ($$anchor5) => {
                    var p_2 = root$p();
                    var text_2 = only_child(p_2, true);
                    template_effect(() => set_text(text_2, get$1(camera).detail));
                    append($$anchor5, p_2);
                  };
                  if_block(node_2, ($$render) => {
                    if (get$1(camera).detail) $$render(consequent_1);
                  });
                }
                var node_3 = sibling(node_2, 2);
                {
                  var consequent_2 = ($$anchor5) => {
                    var fragment_4 = root_1$n();
                    var p_3 = first_child(fragment_4);
                    var text_3 = only_child(p_3, true);
                    var div = sibling(p_3, 2);
                    var button = child(div);
                    var text_4 = only_child(button, true);
                    template_effect(
                      ($02) => {
                        set_text(text_3, $02);
                        set_text(text_4, C.resume);
                      },
                      [
                        () => get$1(camera).paused_until ? C.pausedUntil(clockTime(get$1(camera).paused_until)) : C.paused
                      ]
                    );
                    delegated("click", button, () => pause({ paused: false }));
                    append($$anchor5, fragment_4);
                  };
                  var alternate = ($$anchor5) => {
                    var div_1 = root_2$h();
                    var button_1 = child(div_1);
                    var text_5 = only_child(button_1);
                    var button_2 = sibling(button_1, 2);
                    var text_6 = only_child(button_2);
                    template_effect(() => {
                      set_attribute(div_1, "aria-label", C.pause);
                      set_text(text_5, `${C.pause}: ${C.pauseHour}`);
                      set_text(text_6, `${C.pause}: ${C.pauseOpen}`);
                    });
                    delegated("click", button_1, () => pause({ paused: true, paused_until: iso(Date.now() + 36e5) }));
                    delegated("click", button_2, () => pause({ paused: true }));
                    append($$anchor5, div_1);
                  };
                  if_block(node_3, ($$render) => {
                    if (get$1(camera).paused) $$render(consequent_2);
                    else $$render(alternate, -1);
                  });
                }
                var p_4 = sibling(node_3, 2);
                var text_7 = only_child(p_4, true);
                var section_1 = sibling(section, 2);
                var h2 = child(section_1);
                var text_8 = only_child(h2, true);
                var dl = sibling(h2, 2);
                var node_4 = child(dl);
                {
                  var consequent_3 = ($$anchor5) => {
                    var fragment_5 = root_3$c();
                    var dt = first_child(fragment_5);
                    var text_9 = only_child(dt, true);
                    var dd = sibling(dt);
                    var text_10 = only_child(dd);
                    template_effect(() => {
                      set_text(text_9, C.picture);
                      set_text(text_10, `${get$1(camera).width ?? ""}×${get$1(camera).height ?? ""}, ${get$1(camera).codec ?? ""}`);
                    });
                    append($$anchor5, fragment_5);
                  };
                  if_block(node_4, ($$render) => {
                    if (get$1(camera).codec) $$render(consequent_3);
                  });
                }
                var node_5 = sibling(node_4, 2);
                {
                  var consequent_4 = ($$anchor5) => {
                    var fragment_6 = root_3$c();
                    var dt_1 = first_child(fragment_6);
                    var text_11 = only_child(dt_1, true);
                    var dd_1 = sibling(dt_1);
                    var text_12 = only_child(dd_1, true);
                    template_effect(() => {
                      set_text(text_11, C.sound);
                      set_text(text_12, get$1(camera).sound_dropped);
                    });
                    append($$anchor5, fragment_6);
                  };
                  if_block(node_5, ($$render) => {
                    if (get$1(camera).sound_dropped) $$render(consequent_4);
                  });
                }
                var node_6 = sibling(node_5, 2);
                {
                  var consequent_5 = ($$anchor5) => {
                    var fragment_7 = root_3$c();
                    var dt_2 = first_child(fragment_7);
                    var text_13 = only_child(dt_2, true);
                    var dd_2 = sibling(dt_2);
                    var text_14 = only_child(dd_2);
                    template_effect(
                      ($02) => {
                        set_text(text_13, C.read);
                        set_text(text_14, `${$02 ?? ""}${get$1(camera).via.why ? ` (${get$1(camera).via.why})` : ""}`);
                      },
                      [
                        () => C.readBy(get$1(camera).via.source, get$1(camera).via.transport)
                      ]
                    );
                    append($$anchor5, fragment_7);
                  };
                  if_block(node_6, ($$render) => {
                    if (get$1(camera).via) $$render(consequent_5);
                  });
                }
                var node_7 = sibling(node_6, 2);
                {
                  var consequent_6 = ($$anchor5) => {
                    var fragment_8 = root_3$c();
                    var dt_3 = first_child(fragment_8);
                    var text_15 = only_child(dt_3, true);
                    var dd_3 = sibling(dt_3);
                    var text_16 = only_child(dd_3, true);
                    template_effect(
                      ($02) => {
                        set_text(text_15, C.lastOnDisk);
                        set_text(text_16, $02);
                      },
                      [() => clockTimeSeconds(get$1(camera).last_fragment_at)]
                    );
                    append($$anchor5, fragment_8);
                  };
                  if_block(node_7, ($$render) => {
                    if (get$1(camera).last_fragment_at) $$render(consequent_6);
                  });
                }
                var node_8 = sibling(node_7, 2);
                {
                  var consequent_7 = ($$anchor5) => {
                    var fragment_9 = root_3$c();
                    var dt_4 = first_child(fragment_9);
                    var text_17 = only_child(dt_4, true);
                    var dd_4 = sibling(dt_4);
                    var text_18 = only_child(dd_4, true);
                    template_effect(
                      ($02) => {
                        set_text(text_17, C.since);
                        set_text(text_18, $02);
                      },
                      [() => shortMoment(get$1(camera).since)]
                    );
                    append($$anchor5, fragment_9);
                  };
                  if_block(node_8, ($$render) => {
                    if (get$1(camera).since) $$render(consequent_7);
                  });
                }
                template_effect(
                  ($02) => {
                    set_class(span2, 1, `tone ${$02 ?? ""}`, "svelte-tz159a");
                    set_text(text_1, T.states[get$1(camera).state] ?? get$1(camera).state);
                    set_text(text_7, get$1(problem));
                    set_text(text_8, C.facts);
                  },
                  [() => toneOf(get$1(camera))]
                );
                append($$anchor4, fragment_3);
              };
              if_block(node_1, ($$render) => {
                if (get$1(camera)) $$render(consequent_8);
              });
            }
            var node_9 = sibling(node_1, 2);
            {
              var consequent_10 = ($$anchor4) => {
                {
                  let $02 = /* @__PURE__ */ user_derived(() => get$1(camera) ? T.save : C.add);
                  Form($$anchor4, {
                    act: save,
                    get submit() {
                      return get$1($02);
                    },
                    get done() {
                      return T.saved;
                    },
                    children: ($$anchor5, $$slotProps2) => {
                      var fragment_11 = root_6$6();
                      var node_10 = first_child(fragment_11);
                      Field(node_10, {
                        get label() {
                          return T.name;
                        },
                        name: "name",
                        get placeholder() {
                          return C.namePlaceholder;
                        },
                        required: true,
                        maxlength: 64,
                        get value() {
                          return get$1(name);
                        },
                        set value($$value) {
                          set(name, $$value, true);
                        }
                      });
                      var fieldset = sibling(node_10, 2);
                      var legend = child(fieldset);
                      var text_19 = only_child(legend, true);
                      var node_11 = sibling(legend, 2);
                      {
                        let $03 = /* @__PURE__ */ user_derived(() => get$1(camera)?.main);
                        SourceFields(node_11, {
                          get old() {
                            return get$1($03);
                          },
                          get source() {
                            return get$1(main);
                          },
                          set source($$value) {
                            set(main, $$value, true);
                          }
                        });
                      }
                      var div_2 = sibling(fieldset, 2);
                      var label = child(div_2);
                      var input = child(label);
                      var text_20 = sibling(input, 1, true);
                      var p_5 = sibling(label, 2);
                      var text_21 = only_child(p_5, true);
                      var node_12 = sibling(div_2, 2);
                      {
                        var consequent_9 = ($$anchor6) => {
                          var fieldset_1 = root_5$7();
                          var legend_1 = child(fieldset_1);
                          var text_22 = only_child(legend_1, true);
                          var node_13 = sibling(legend_1, 2);
                          {
                            let $03 = /* @__PURE__ */ user_derived(() => get$1(camera)?.sub);
                            SourceFields(node_13, {
                              get old() {
                                return get$1($03);
                              },
                              get source() {
                                return get$1(sub);
                              },
                              set source($$value) {
                                set(sub, $$value, true);
                              }
                            });
                          }
                          template_effect(() => set_text(text_22, C.sub));
                          append($$anchor6, fieldset_1);
                        };
                        if_block(node_12, ($$render) => {
                          if (get$1(hasSub)) $$render(consequent_9);
                        });
                      }
                      template_effect(() => {
                        set_text(text_19, C.main);
                        set_text(text_20, C.hasSub);
                        set_text(text_21, C.subHint);
                      });
                      bind_checked(input, () => get$1(hasSub), ($$value) => set(hasSub, $$value));
                      append($$anchor5, fragment_11);
                    },
                    $$slots: { default: true }
                  });
                }
              };
              if_block(node_9, ($$render) => {
                if (!get$1(camera) || get$1(camera).main) $$render(consequent_10);
              });
            }
            var node_14 = sibling(node_9, 2);
            {
              var consequent_11 = ($$anchor4) => {
                var div_3 = root_7$5();
                var button_3 = child(div_3);
                var text_23 = only_child(button_3, true);
                template_effect(() => set_text(text_23, T.remove));
                delegated("click", button_3, () => set(removing, true));
                append($$anchor4, div_3);
              };
              if_block(node_14, ($$render) => {
                if (get$1(camera) && hub.owner) $$render(consequent_11);
              });
            }
            var node_15 = sibling(node_14, 2);
            {
              var consequent_12 = ($$anchor4) => {
                {
                  let $02 = /* @__PURE__ */ user_derived(() => C.removeTitle(get$1(camera).name));
                  Confirm($$anchor4, {
                    get title() {
                      return get$1($02);
                    },
                    get text() {
                      return C.removeText;
                    },
                    get submit() {
                      return T.remove;
                    },
                    act: remove,
                    close: () => set(removing, false)
                  });
                }
              };
              if_block(node_15, ($$render) => {
                if (get$1(removing) && get$1(camera)) $$render(consequent_12);
              });
            }
            append($$anchor3, fragment_2);
          };
          if_block(node, ($$render) => {
            if (!get$1(camera) && $$props.id !== "new") $$render(consequent);
            else $$render(alternate_1, -1);
          });
        }
        append($$anchor2, fragment_1);
      },
      $$slots: { default: true }
    });
  }
  pop();
}
delegate(["click"]);
enable_legacy_mode_flag();
var root$o = /* @__PURE__ */ from_html(`<li><a class="row"><span></span> <span class="text"><span class="name"> </span><small> </small></span> <span class="chevron"><!></span></a></li>`);
var root_1$m = /* @__PURE__ */ from_html(`<ul class="list"></ul>`);
var root_2$g = /* @__PURE__ */ from_html(`<p class="empty"> </p>`);
var root_3$b = /* @__PURE__ */ from_html(`<div class="actions wide"><a class="button primary" href="#/cameras/new"><!> </a></div>`);
var root_4$9 = /* @__PURE__ */ from_html(`<!> <!>`, 1);
function Cameras($$anchor, $$props) {
  push($$props, false);
  init();
  Page($$anchor, {
    get title() {
      return T.cameras.title;
    },
    back: "#/settings",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_4$9();
      var node = first_child(fragment_1);
      {
        var consequent = ($$anchor3) => {
          var ul = root_1$m();
          each(ul, 5, () => hub.cameras, (camera) => camera.id, ($$anchor4, camera) => {
            var li = root$o();
            var a = child(li);
            var span2 = child(a);
            var span_1 = sibling(span2, 2);
            var span_2 = child(span_1);
            var text2 = only_child(span_2, true);
            var small = sibling(span_2);
            var text_1 = only_child(small, true);
            var span_3 = sibling(span_1, 2);
            var node_1 = child(span_3);
            Icon(node_1, { name: "forward", size: 18 });
            template_effect(
              ($0) => {
                set_attribute(a, "href", `#/cameras/${get$1(camera).id ?? ""}`);
                set_class(span2, 1, `tone ${$0 ?? ""}`);
                set_text(text2, get$1(camera).name);
                set_text(text_1, T.states[get$1(camera).state] ?? get$1(camera).state);
              },
              [() => toneOf(get$1(camera))]
            );
            append($$anchor4, li);
          });
          append($$anchor3, ul);
        };
        var alternate = ($$anchor3) => {
          var p = root_2$g();
          var text_2 = only_child(p, true);
          template_effect(() => set_text(text_2, T.cameras.none));
          append($$anchor3, p);
        };
        if_block(node, ($$render) => {
          if (hub.cameras.length) $$render(consequent);
          else $$render(alternate, -1);
        });
      }
      var node_2 = sibling(node, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var div = root_3$b();
          var a_1 = child(div);
          var node_3 = child(a_1);
          Icon(node_3, { name: "plus" });
          var text_3 = sibling(node_3, 1, true);
          template_effect(() => set_text(text_3, T.cameras.add));
          append($$anchor3, div);
        };
        if_block(node_2, ($$render) => {
          if (hub.owner) $$render(consequent_1);
        });
      }
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
var root$n = /* @__PURE__ */ from_html(`<li class="svelte-1e83e44"><span class="number svelte-1e83e44"></span> </li>`);
var root_1$l = /* @__PURE__ */ from_html(`<p> </p> <!> <!>`, 1);
var root_2$f = /* @__PURE__ */ from_html(`<p> <strong> </strong></p> <div class="card"><ol class="words svelte-1e83e44" data-testid="words"></ol> <!> <dl class="facts"><dt> </dt><dd class="mono"> </dd> <dt> </dt><dd class="mono"> </dd> <dt> </dt><dd class="mono"> </dd></dl> <div class="actions"><button> </button></div></div> <!>`, 1);
function Kit($$anchor, $$props) {
  push($$props, true);
  const list = /* @__PURE__ */ user_derived(() => $$props.kit.words.split(" "));
  const asked = [
    Math.floor(Math.random() * 12),
    12 + Math.floor(Math.random() * 12)
  ];
  let first = /* @__PURE__ */ state("");
  let second = /* @__PURE__ */ state("");
  async function check() {
    const same = (typed, index2) => typed.trim().toLowerCase() === get$1(list)[index2];
    if (!same(get$1(first), asked[0]) || !same(get$1(second), asked[1])) throw new Error(T.kit.wrong);
    $$props.done();
  }
  function stay(event2) {
    event2.preventDefault();
  }
  var fragment = root_2$f();
  event("beforeunload", $window, stay);
  var p = first_child(fragment);
  var text2 = child(p);
  var strong = sibling(text2);
  var text_1 = only_child(strong, true);
  var div = sibling(p, 2);
  var ol = child(div);
  each(ol, 21, () => get$1(list), index, ($$anchor2, word, i) => {
    var li = root$n();
    var span2 = child(li);
    span2.textContent = i + 1;
    var text_2 = sibling(span2, 1, true);
    template_effect(() => set_text(text_2, get$1(word)));
    append($$anchor2, li);
  });
  var node = sibling(ol, 2);
  {
    let $0 = /* @__PURE__ */ user_derived(() => JSON.stringify({
      secret: $$props.kit.secret,
      hub_id: $$props.kit.hub_id,
      verifying_key: $$props.kit.verifying_key
    }));
    Qr(node, {
      get text() {
        return get$1($0);
      },
      get label() {
        return T.kit.qr;
      }
    });
  }
  var dl = sibling(node, 2);
  var dt = child(dl);
  var text_3 = only_child(dt, true);
  var dd = sibling(dt);
  var text_4 = only_child(dd, true);
  var dt_1 = sibling(dd, 2);
  var text_5 = only_child(dt_1, true);
  var dd_1 = sibling(dt_1);
  var text_6 = only_child(dd_1, true);
  var dt_2 = sibling(dd_1, 2);
  var text_7 = only_child(dt_2, true);
  var dd_2 = sibling(dt_2);
  var text_8 = only_child(dd_2, true);
  var div_1 = sibling(dl, 2);
  var button = child(div_1);
  var text_9 = only_child(button, true);
  var node_1 = sibling(div, 2);
  Form(node_1, {
    act: check,
    get submit() {
      return T.kit.submit;
    },
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_1$l();
      var p_1 = first_child(fragment_1);
      var text_10 = only_child(p_1, true);
      var node_2 = sibling(p_1, 2);
      {
        let $0 = /* @__PURE__ */ user_derived(() => T.kit.word(asked[0] + 1));
        Field(node_2, {
          get label() {
            return get$1($0);
          },
          name: "first",
          autocomplete: "off",
          autocapitalize: "none",
          spellcheck: "false",
          required: true,
          get value() {
            return get$1(first);
          },
          set value($$value) {
            set(first, $$value, true);
          }
        });
      }
      var node_3 = sibling(node_2, 2);
      {
        let $0 = /* @__PURE__ */ user_derived(() => T.kit.word(asked[1] + 1));
        Field(node_3, {
          get label() {
            return get$1($0);
          },
          name: "second",
          autocomplete: "off",
          autocapitalize: "none",
          spellcheck: "false",
          required: true,
          get value() {
            return get$1(second);
          },
          set value($$value) {
            set(second, $$value, true);
          }
        });
      }
      template_effect(() => set_text(text_10, T.kit.confirm));
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  template_effect(() => {
    set_text(text2, `${T.kit.intro} `);
    set_text(text_1, T.kit.once);
    set_text(text_3, T.kit.key);
    set_text(text_4, $$props.kit.secret);
    set_text(text_5, T.kit.hub);
    set_text(text_6, $$props.kit.hub_id);
    set_text(text_7, T.kit.signature);
    set_text(text_8, $$props.kit.verifying_key);
    set_text(text_9, T.print);
  });
  delegated("click", button, () => print());
  append($$anchor, fragment);
  pop();
}
delegate(["click"]);
var root$m = /* @__PURE__ */ from_html(`<!> <!> <!>`, 1);
var root_1$k = /* @__PURE__ */ from_html(`<p> </p> <!> <div class="actions"><a class="button plain" href="#/"> </a></div>`, 1);
function Claim($$anchor, $$props) {
  push($$props, true);
  let token = /* @__PURE__ */ state(proxy(router.secret ?? ""));
  let name = /* @__PURE__ */ state("");
  let password = /* @__PURE__ */ state("");
  let kit = /* @__PURE__ */ state(null);
  router.secret = null;
  async function claim() {
    const answer = await api("POST", "/claim", {
      claim_token: get$1(token).trim(),
      name: get$1(name),
      password: get$1(password)
    });
    set(kit, answer.recovery_kit);
  }
  async function done() {
    set(kit, null);
    await hub.refresh();
    router.go("#/", true);
  }
  var fragment = comment();
  var node = first_child(fragment);
  {
    var consequent = ($$anchor2) => {
      Page($$anchor2, {
        get title() {
          return T.kit.title;
        },
        alone: true,
        children: ($$anchor3, $$slotProps) => {
          Kit($$anchor3, {
            get kit() {
              return get$1(kit);
            },
            done
          });
        },
        $$slots: { default: true }
      });
    };
    var alternate = ($$anchor2) => {
      Page($$anchor2, {
        get title() {
          return T.claim.title;
        },
        alone: true,
        children: ($$anchor3, $$slotProps) => {
          var fragment_4 = root_1$k();
          var p = first_child(fragment_4);
          var text2 = only_child(p, true);
          var node_1 = sibling(p, 2);
          Form(node_1, {
            act: claim,
            get submit() {
              return T.claim.submit;
            },
            children: ($$anchor4, $$slotProps2) => {
              var fragment_5 = root$m();
              var node_2 = first_child(fragment_5);
              Field(node_2, {
                get label() {
                  return T.claim.token;
                },
                get hint() {
                  return T.claim.tokenHint;
                },
                name: "claim_token",
                autocomplete: "off",
                autocapitalize: "none",
                spellcheck: "false",
                required: true,
                get value() {
                  return get$1(token);
                },
                set value($$value) {
                  set(token, $$value, true);
                }
              });
              var node_3 = sibling(node_2, 2);
              Field(node_3, {
                get label() {
                  return T.signIn.name;
                },
                name: "name",
                autocomplete: "username",
                required: true,
                maxlength: 64,
                get value() {
                  return get$1(name);
                },
                set value($$value) {
                  set(name, $$value, true);
                }
              });
              var node_4 = sibling(node_3, 2);
              PasswordField(node_4, {
                get hint() {
                  return T.claim.passwordHint;
                },
                autocomplete: "new-password",
                get value() {
                  return get$1(password);
                },
                set value($$value) {
                  set(password, $$value, true);
                }
              });
              append($$anchor4, fragment_5);
            },
            $$slots: { default: true }
          });
          var div = sibling(node_1, 2);
          var a = child(div);
          var text_1 = only_child(a, true);
          template_effect(() => {
            set_text(text2, T.claim.intro);
            set_text(text_1, T.claim.signIn);
          });
          append($$anchor3, fragment_4);
        },
        $$slots: { default: true }
      });
    };
    if_block(node, ($$render) => {
      if (get$1(kit)) $$render(consequent);
      else $$render(alternate, -1);
    });
  }
  append($$anchor, fragment);
  pop();
}
const deviceZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
const formats = /* @__PURE__ */ new Map();
function format(zone) {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric"
    });
    formats.set(zone, found);
  }
  return found;
}
function wall(ms2, zone) {
  const fields = {};
  for (const { type, value } of format(zone).formatToParts(ms2)) fields[type] = Number(value);
  const of = (name) => fields[name] ?? 0;
  return { year: of("year"), month: of("month"), day: of("day"), hour: of("hour"), minute: of("minute"), second: of("second") };
}
const HOUR$1 = 36e5;
function dayStart({ year, month, day: day2 }, zone) {
  const wanted = Date.UTC(year, month - 1, day2);
  const asUtc = (ms2) => {
    const at = wall(ms2, zone);
    return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second);
  };
  const around = [-26 * HOUR$1, -3 * HOUR$1, 3 * HOUR$1, 26 * HOUR$1].map((by) => wanted - (asUtc(wanted + by) - (wanted + by)));
  const isDay = (ms2) => asUtc(ms2) >= wanted;
  const candidates = around.filter(isDay).sort((a, b) => a - b);
  const earliest = candidates[0] ?? wanted;
  let [low, high] = [earliest - 2 * HOUR$1, earliest];
  if (isDay(earliest - 1)) {
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (isDay(middle)) high = middle;
      else low = middle;
    }
  }
  return high;
}
function plusDays({ year, month, day: day2 }, days) {
  const at = new Date(Date.UTC(year, month - 1, day2 + days));
  return { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
}
function daySpan(ms2, zone) {
  const today = wall(ms2, zone);
  return { from: dayStart(today, zone), to: dayStart(plusDays(today, 1), zone) };
}
const dayText = ({ year, month, day: day2 }) => `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day2).padStart(2, "0")}`;
function parseDay(text2) {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text2);
  return match ? { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) } : null;
}
function onDay(ms2, to, zone) {
  const at = wall(ms2, zone);
  const start = dayStart(to, zone);
  const wanted = start + ((at.hour * 60 + at.minute) * 60 + at.second) * 1e3;
  const shown = wall(wanted, zone);
  const off = (at.hour - shown.hour) * HOUR$1 + (at.minute - shown.minute) * 6e4;
  const corrected = Math.abs(off) <= 2 * HOUR$1 ? wanted + off : wanted;
  const end = dayStart(plusDays(to, 1), zone);
  return Math.min(Math.max(corrected, start), end - 1e3);
}
function localText(ms2, zone) {
  const at = wall(ms2, zone);
  const two = (n) => String(n).padStart(2, "0");
  return `${dayText(at)}T${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;
}
function parseLocal(text2, zone) {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)(?::(\d\d))?/.exec(text2);
  const day2 = parseDay(match?.[1] ?? "");
  if (!match || !day2) return null;
  const since = ((Number(match[2]) * 60 + Number(match[3])) * 60 + Number(match[4] ?? 0)) * 1e3;
  const guess = dayStart(day2, zone) + since;
  const shown = wall(guess, zone);
  const shownSince = ((shown.hour * 60 + shown.minute) * 60 + shown.second) * 1e3;
  const off = since - shownSince;
  return Math.abs(off) <= 2 * HOUR$1 ? guess + off : guess;
}
var root$l = /* @__PURE__ */ from_html(`<option> </option>`);
var root_1$j = /* @__PURE__ */ from_html(`<li><a class="row"><span class="text"><span class="name"> </span> <small> </small></span> <span> </span> <span class="chevron"><!></span></a></li>`);
var root_2$e = /* @__PURE__ */ from_html(`<section class="section"><h2> </h2> <ul class="list"></ul></section>`);
var root_3$a = /* @__PURE__ */ from_html(`<p class="empty"> </p>`);
var root_4$8 = /* @__PURE__ */ from_html(`<div class="actions wide"><button> </button></div>`);
var root_5$6 = /* @__PURE__ */ from_html(`<div class="filters svelte-udfpas"><label class="field"><span> </span> <select><option> </option><!></select></label> <label class="field"><span> </span> <select><option> </option><!></select></label> <label class="field"><span> </span><input type="date"/></label></div> <p class="problem" role="alert"> </p> <!> <!> <!>`, 1);
function Events($$anchor, $$props) {
  push($$props, true);
  const LIMIT = 50;
  const zone = deviceZone();
  let camera = /* @__PURE__ */ state("");
  let kind = /* @__PURE__ */ state("");
  let day2 = /* @__PURE__ */ state("");
  let items2 = /* @__PURE__ */ state([]);
  let next = /* @__PURE__ */ state(null);
  let loaded = /* @__PURE__ */ state(false);
  let problem = /* @__PURE__ */ state("");
  let asked = 0;
  const days = /* @__PURE__ */ user_derived(() => {
    const groups = [];
    for (const event2 of get$1(items2)) {
      const of = dayText(wall(Date.parse(event2.start), zone));
      if (groups.at(-1)?.day !== of) groups.push({ day: of, at: event2.start, events: [] });
      groups.at(-1)?.events.push(event2);
    }
    return groups;
  });
  user_effect(() => {
    const filters = [get$1(camera), get$1(kind), get$1(day2)];
    untrack(() => void load(...filters));
  });
  async function load(ofCamera, ofKind, upTo, cursor = null) {
    const turn = asked += 1;
    const parsed = parseDay(upTo);
    const to = parsed ? iso(dayStart(plusDays(parsed, 1), zone)) : null;
    try {
      const page = await get(`/events${query({ camera: ofCamera, kind: ofKind, to, cursor, limit: LIMIT })}`);
      if (turn !== asked) return;
      set(items2, cursor ? [...get$1(items2), ...page.items] : page.items);
      set(next, page.next);
      set(problem, "");
    } catch (error) {
      if (turn === asked) set(problem, words(error), true);
    }
    set(loaded, true);
  }
  Page($$anchor, {
    get title() {
      return T.events.title;
    },
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_5$6();
      var div = first_child(fragment_1);
      var label_1 = child(div);
      var span2 = child(label_1);
      var text2 = only_child(span2, true);
      var select = sibling(span2, 2);
      var option = child(select);
      var text_1 = only_child(option, true);
      option.value = option.__value = "";
      var node = sibling(option);
      each(node, 17, () => hub.cameras.filter(({ id }) => hub.may(id, "playback")), ({ id, name }) => id, ($$anchor3, $$item) => {
        let id = () => get$1($$item).id;
        let name = () => get$1($$item).name;
        var option_1 = root$l();
        var text_2 = only_child(option_1, true);
        var option_1_value = {};
        template_effect(() => {
          set_text(text_2, name());
          if (option_1_value !== (option_1_value = id())) {
            option_1.value = (option_1.__value = option_1_value) ?? "";
          }
        });
        append($$anchor3, option_1);
      });
      init_select(select);
      var label_2 = sibling(label_1, 2);
      var span_1 = child(label_2);
      var text_3 = only_child(span_1, true);
      var select_1 = sibling(span_1, 2);
      var option_2 = child(select_1);
      var text_4 = only_child(option_2, true);
      option_2.value = option_2.__value = "";
      var node_1 = sibling(option_2);
      each(node_1, 17, () => Object.entries(T.events.kinds), ([value, label]) => value, ($$anchor3, $$item) => {
        var $$array = /* @__PURE__ */ user_derived(() => to_array(get$1($$item), 2));
        let value = () => get$1($$array)[0];
        let label = () => get$1($$array)[1];
        var option_3 = root$l();
        var text_5 = only_child(option_3, true);
        var option_3_value = {};
        template_effect(() => {
          set_text(text_5, label());
          if (option_3_value !== (option_3_value = value())) {
            option_3.value = (option_3.__value = option_3_value) ?? "";
          }
        });
        append($$anchor3, option_3);
      });
      init_select(select_1);
      var label_3 = sibling(label_2, 2);
      var span_2 = child(label_3);
      var text_6 = only_child(span_2, true);
      var input = sibling(span_2);
      var p = sibling(div, 2);
      var text_7 = only_child(p, true);
      var node_2 = sibling(p, 2);
      each(node_2, 17, () => get$1(days), ({ day: of, at, events }) => of, ($$anchor3, $$item) => {
        let at = () => get$1($$item).at;
        let events = () => get$1($$item).events;
        var section = root_2$e();
        var h2 = child(section);
        var text_8 = only_child(h2, true);
        var ul = sibling(h2, 2);
        each(ul, 21, events, (event2) => event2.id, ($$anchor4, event2) => {
          const took = /* @__PURE__ */ user_derived(() => Date.parse(get$1(event2).end) - Date.parse(get$1(event2).start));
          var li = root_1$j();
          var a = child(li);
          var span_3 = child(a);
          var span_4 = child(span_3);
          var text_9 = only_child(span_4, true);
          var small = sibling(span_4, 2);
          var text_10 = only_child(small);
          var span_5 = sibling(span_3, 2);
          var text_11 = only_child(span_5, true);
          var span_6 = sibling(span_5, 2);
          var node_3 = child(span_6);
          Icon(node_3, { name: "forward", size: 18 });
          template_effect(
            ($0, $1, $2, $3) => {
              set_attribute(a, "href", `#/camera/${get$1(event2).camera ?? ""}/at/${$0 ?? ""}`);
              set_text(text_9, T.events.kinds[get$1(event2).kind] ?? get$1(event2).kind);
              set_text(text_10, `${$1 ?? ""}${$2 ?? ""}`);
              set_text(text_11, $3);
            },
            [
              () => iso(Date.parse(get$1(event2).start) - 3e3),
              () => hub.camera(get$1(event2).camera)?.name ?? "",
              () => get$1(took) > 1e3 ? `, ${T.events.lasting(length(get$1(took)))}` : "",
              () => clockTime(get$1(event2).start)
            ]
          );
          append($$anchor4, li);
        });
        template_effect(($0) => set_text(text_8, $0), [() => longDay(at())]);
        append($$anchor3, section);
      });
      var node_4 = sibling(node_2, 2);
      {
        var consequent = ($$anchor3) => {
          var p_1 = root_3$a();
          var text_12 = only_child(p_1, true);
          template_effect(() => set_text(text_12, T.events.none));
          append($$anchor3, p_1);
        };
        if_block(node_4, ($$render) => {
          if (get$1(loaded) && !get$1(items2).length && !get$1(problem)) $$render(consequent);
        });
      }
      var node_5 = sibling(node_4, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var div_1 = root_4$8();
          var button = child(div_1);
          var text_13 = only_child(button, true);
          template_effect(() => set_text(text_13, T.more));
          delegated("click", button, () => load(get$1(camera), get$1(kind), get$1(day2), get$1(next)));
          append($$anchor3, div_1);
        };
        if_block(node_5, ($$render) => {
          if (get$1(next)) $$render(consequent_1);
        });
      }
      template_effect(() => {
        set_text(text2, T.events.camera);
        set_text(text_1, T.events.all);
        set_text(text_3, T.events.kind);
        set_text(text_4, T.events.all);
        set_text(text_6, T.events.day);
        set_text(text_7, get$1(problem));
      });
      bind_select_value(select, () => get$1(camera), ($$value) => set(camera, $$value));
      bind_select_value(select_1, () => get$1(kind), ($$value) => set(kind, $$value));
      bind_value(input, () => get$1(day2), ($$value) => set(day2, $$value));
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var root$k = /* @__PURE__ */ from_html(`<strong class="bad-text"> </strong> <span> </span>`, 1);
var root_1$i = /* @__PURE__ */ from_html(`<small> </small>`);
var root_2$d = /* @__PURE__ */ from_html(`<li class="row svelte-19uty83"><span></span> <span class="text"><span class="name"> </span> <!></span></li>`);
var root_3$9 = /* @__PURE__ */ from_html(`<section class="section"><h2> </h2> <ul class="list"></ul></section>`);
var root_4$7 = /* @__PURE__ */ from_html(`<span> </span>`);
var root_5$5 = /* @__PURE__ */ from_html(`<li><a class="row svelte-19uty83"><span></span> <span class="text"><span class="name"> </span> <small> </small> <!></span> <span class="chevron svelte-19uty83"><!></span></a></li>`);
var root_6$5 = /* @__PURE__ */ from_html(`<p class="summary svelte-19uty83" role="status" data-testid="summary"><span></span> </p> <!> <section class="section"><h2> </h2> <ul class="list"></ul></section>`, 1);
function Health($$anchor, $$props) {
  push($$props, false);
  const H = T.health;
  const tone = ({ state: state2 }) => state2 === "ok" ? "good" : state2 === "off" ? "off" : "bad";
  const told = (health) => health.detail || [
    H.reasons[health.reason ?? ""] ?? health.reason,
    H.remedies[health.reason ?? ""]
  ].filter(Boolean).join(" ");
  function notes(camera) {
    const list = [];
    if (toneOf(camera) === "bad") list.push(camera.detail ?? H.camera[camera.state] ?? "");
    if (camera.disk.state === "degraded") list.push(told(camera.disk));
    if (camera.sound_dropped) list.push(H.sound(camera.sound_dropped));
    return list.filter(Boolean);
  }
  init();
  Page($$anchor, {
    get title() {
      return H.title;
    },
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_6$5();
      var p = first_child(fragment_1);
      var span2 = child(p);
      var text2 = sibling(span2, 1, true);
      var node = sibling(p, 2);
      {
        var consequent_2 = ($$anchor3) => {
          var section = root_3$9();
          var h2 = child(section);
          var text_1 = only_child(h2, true);
          var ul = sibling(h2, 2);
          each(ul, 5, () => partsOf(hub.system), ({ name, health }) => name, ($$anchor4, $$item) => {
            let name = () => get$1($$item).name;
            let health = () => get$1($$item).health;
            var li = root_2$d();
            var span_1 = child(li);
            var span_2 = sibling(span_1, 2);
            var span_3 = child(span_2);
            var text_2 = only_child(span_3, true);
            var node_1 = sibling(span_3, 2);
            {
              var consequent = ($$anchor5) => {
                var fragment_2 = root$k();
                var strong = first_child(fragment_2);
                var text_3 = only_child(strong, true);
                var span_4 = sibling(strong, 2);
                var text_4 = only_child(span_4, true);
                template_effect(
                  ($0) => {
                    set_text(text_3, H.reasons[health().reason ?? ""] ?? health().reason);
                    set_text(text_4, $0);
                  },
                  [() => told(health())]
                );
                append($$anchor5, fragment_2);
              };
              var consequent_1 = ($$anchor5) => {
                var small = root_1$i();
                var text_5 = only_child(small, true);
                template_effect(() => set_text(text_5, H.off));
                append($$anchor5, small);
              };
              var alternate = ($$anchor5) => {
                var small_1 = root_1$i();
                var text_6 = only_child(small_1);
                template_effect(($0) => set_text(text_6, `${H.partsOk[name()] ?? H.ok ?? ""}${$0 ?? ""}`), [
                  () => name() === "clock" ? ` ${H.time(clockTime(hub.system.time), H.timeSources[hub.system.time_source] ?? hub.system.time_source)}` : ""
                ]);
                append($$anchor5, small_1);
              };
              if_block(node_1, ($$render) => {
                if (health().state === "degraded") $$render(consequent);
                else if (health().state === "off") $$render(consequent_1, 1);
                else $$render(alternate, -1);
              });
            }
            template_effect(
              ($0) => {
                set_attribute(li, "data-testid", `part-${name() ?? ""}`);
                set_attribute(li, "data-state", health().state);
                set_class(span_1, 1, `tone ${$0 ?? ""}`, "svelte-19uty83");
                set_text(text_2, H.parts[name()] ?? name());
              },
              [() => tone(health())]
            );
            append($$anchor4, li);
          });
          template_effect(() => set_text(text_1, H.hub));
          append($$anchor3, section);
        };
        if_block(node, ($$render) => {
          if (hub.system) $$render(consequent_2);
        });
      }
      var section_1 = sibling(node, 2);
      var h2_1 = child(section_1);
      var text_7 = only_child(h2_1, true);
      var ul_1 = sibling(h2_1, 2);
      each(ul_1, 5, () => hub.cameras, (camera) => camera.id, ($$anchor3, camera) => {
        var li_1 = root_5$5();
        var a = child(li_1);
        var span_5 = child(a);
        var span_6 = sibling(span_5, 2);
        var span_7 = child(span_6);
        var text_8 = only_child(span_7, true);
        var small_2 = sibling(span_7, 2);
        var text_9 = only_child(small_2, true);
        var node_2 = sibling(small_2, 2);
        each(node_2, 1, () => notes(get$1(camera)), (note) => note, ($$anchor4, note) => {
          var span_8 = root_4$7();
          var text_10 = only_child(span_8, true);
          template_effect(() => set_text(text_10, get$1(note)));
          append($$anchor4, span_8);
        });
        var span_9 = sibling(span_6, 2);
        var node_3 = child(span_9);
        Icon(node_3, { name: "forward", size: 18 });
        template_effect(
          ($0) => {
            set_attribute(a, "href", `#/cameras/${get$1(camera).id ?? ""}`);
            set_class(span_5, 1, `tone ${$0 ?? ""}`, "svelte-19uty83");
            set_text(text_8, get$1(camera).name);
            set_text(text_9, T.states[get$1(camera).state] ?? get$1(camera).state);
          },
          [() => toneOf(get$1(camera))]
        );
        append($$anchor3, li_1);
      });
      template_effect(
        ($0) => {
          set_class(span2, 1, `tone ${hub.attention ? "bad" : "good"}`);
          set_text(text2, $0);
          set_text(text_7, H.cameras);
        },
        [() => hub.attention ? H.some(hub.attention) : H.allWell]
      );
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
var root$j = /* @__PURE__ */ from_html(`<!> <!>`, 1);
var root_1$h = /* @__PURE__ */ from_html(`<p> </p> <!>`, 1);
var root_2$c = /* @__PURE__ */ from_html(`<p> </p> <div class="actions"><a class="button" href="#/"> </a></div>`, 1);
function Invitation($$anchor, $$props) {
  push($$props, true);
  const secret = router.secret;
  let name = /* @__PURE__ */ state("");
  let password = /* @__PURE__ */ state("");
  router.secret = null;
  async function accept() {
    await api("POST", "/invitations/accept", {
      secret,
      password: get$1(password),
      device: deviceName(),
      ...get$1(name) && { name: get$1(name) }
    });
    await hub.refresh();
    router.go("#/", true);
  }
  Page($$anchor, {
    get title() {
      return T.invitation.title;
    },
    alone: true,
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = comment();
      var node = first_child(fragment_1);
      {
        var consequent = ($$anchor3) => {
          var fragment_2 = root_1$h();
          var p = first_child(fragment_2);
          var text2 = only_child(p, true);
          var node_1 = sibling(p, 2);
          Form(node_1, {
            act: accept,
            get submit() {
              return T.invitation.submit;
            },
            children: ($$anchor4, $$slotProps2) => {
              var fragment_3 = root$j();
              var node_2 = first_child(fragment_3);
              Field(node_2, {
                get label() {
                  return T.invitation.name;
                },
                get hint() {
                  return T.invitation.nameHint;
                },
                name: "name",
                autocomplete: "username",
                maxlength: 64,
                get value() {
                  return get$1(name);
                },
                set value($$value) {
                  set(name, $$value, true);
                }
              });
              var node_3 = sibling(node_2, 2);
              PasswordField(node_3, {
                get hint() {
                  return T.claim.passwordHint;
                },
                autocomplete: "new-password",
                get value() {
                  return get$1(password);
                },
                set value($$value) {
                  set(password, $$value, true);
                }
              });
              append($$anchor4, fragment_3);
            },
            $$slots: { default: true }
          });
          template_effect(() => set_text(text2, T.invitation.intro));
          append($$anchor3, fragment_2);
        };
        var alternate = ($$anchor3) => {
          var fragment_4 = root_2$c();
          var p_1 = first_child(fragment_4);
          var text_1 = only_child(p_1, true);
          var div = sibling(p_1, 2);
          var a = child(div);
          var text_2 = only_child(a, true);
          template_effect(() => {
            set_text(text_1, T.invitation.none);
            set_text(text_2, T.signIn.title);
          });
          append($$anchor3, fragment_4);
        };
        if_block(node, ($$render) => {
          if (secret) $$render(consequent);
          else $$render(alternate, -1);
        });
      }
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
var root$i = /* @__PURE__ */ from_html(`<button type="button"> </button>`);
var root_1$g = /* @__PURE__ */ from_html(`<p class="mono" data-testid="secret"> </p> <div class="actions"><button type="button"> </button> <!></div> <p class="note" role="status"> </p>`, 1);
function Copy($$anchor, $$props) {
  push($$props, true);
  let share = prop($$props, "share", 3, "");
  let note = /* @__PURE__ */ state("");
  const canShare = "share" in navigator;
  async function copy() {
    await navigator.clipboard.writeText($$props.text);
    set(note, T.copied, true);
  }
  var fragment = root_1$g();
  var p = first_child(fragment);
  var text_1 = only_child(p, true);
  var div = sibling(p, 2);
  var button = child(div);
  var text_2 = only_child(button, true);
  var node = sibling(button, 2);
  {
    var consequent = ($$anchor2) => {
      var button_1 = root$i();
      var text_3 = only_child(button_1, true);
      template_effect(() => set_text(text_3, T.share));
      delegated("click", button_1, () => navigator.share({ title: share(), url: $$props.text }).catch(() => {
      }));
      append($$anchor2, button_1);
    };
    if_block(node, ($$render) => {
      if (share() && canShare) $$render(consequent);
    });
  }
  var p_1 = sibling(div, 2);
  var text_4 = only_child(p_1, true);
  template_effect(() => {
    set_text(text_1, $$props.text);
    set_text(text_2, T.copy);
    set_text(text_4, get$1(note));
  });
  delegated("click", button, copy);
  append($$anchor, fragment);
  pop();
}
delegate(["click"]);
var root$h = /* @__PURE__ */ from_html(`<div class="card" data-testid="invitation"><h2> </h2> <!> <p> </p> <p class="hint"> </p> <!></div>`);
function InvitationCode($$anchor, $$props) {
  push($$props, true);
  var div = root$h();
  var h2 = child(div);
  var text2 = only_child(h2, true);
  var node = sibling(h2, 2);
  Qr(node, {
    get text() {
      return $$props.invitation.url;
    },
    get label() {
      return T.invite.qr;
    }
  });
  var p = sibling(node, 2);
  var text_1 = only_child(p);
  var p_1 = sibling(p, 2);
  var text_2 = only_child(p_1, true);
  var node_1 = sibling(p_1, 2);
  Copy(node_1, {
    get text() {
      return $$props.invitation.url;
    },
    get share() {
      return T.invitation.title;
    }
  });
  template_effect(
    ($0, $1) => {
      set_text(text2, $0);
      set_text(text_1, `${T.invite.scan} ${$1 ?? ""}.`);
      set_text(text_2, T.invite.deviceTrust);
    },
    [
      () => T.invite.ready($$props.invitation.name),
      () => T.people.expires(shortMoment($$props.invitation.expires))
    ]
  );
  append($$anchor, div);
  pop();
}
const RIGHTS = ["live", "playback", "export", "manage"];
var root$g = /* @__PURE__ */ from_html(`<label class="check"><input type="checkbox"/> </label>`);
var root_1$f = /* @__PURE__ */ from_html(`<label class="field"><span> <span class="hint"> </span></span> <input type="datetime-local"/></label>`);
var root_2$b = /* @__PURE__ */ from_html(`<fieldset class="card"><legend> </legend> <div class="rights svelte-u6kykx"></div> <!></fieldset>`);
function Rights($$anchor, $$props) {
  push($$props, true);
  let grants = prop($$props, "grants", 15);
  const zone = deviceZone();
  const of = (camera) => grants().find((grant) => grant.camera === camera);
  function put(camera, change) {
    const grant = { camera, rights: [], expires: null, ...of(camera), ...change };
    grants([
      ...grants().filter((other) => other.camera !== camera),
      ...grant.rights.length ? [grant] : []
    ]);
  }
  function toggle(camera, right, on) {
    const had = of(camera)?.rights ?? [];
    put(camera, {
      rights: RIGHTS.filter((other) => other === right ? on : had.includes(other))
    });
  }
  var fragment = comment();
  var node = first_child(fragment);
  each(node, 17, () => hub.cameras, (camera) => camera.id, ($$anchor2, camera) => {
    const grant = /* @__PURE__ */ user_derived(() => of(get$1(camera).id));
    var fieldset = root_2$b();
    var legend = child(fieldset);
    var text2 = only_child(legend, true);
    var div = sibling(legend, 2);
    each(div, 20, () => RIGHTS, (right) => right, ($$anchor3, right) => {
      var label = root$g();
      var input = child(label);
      var text_1 = sibling(input);
      template_effect(
        ($0) => {
          set_checked(input, $0);
          set_text(text_1, ` ${T.rights[right] ?? ""}`);
        },
        [() => get$1(grant)?.rights.includes(right) ?? false]
      );
      delegated("change", input, (event2) => toggle(get$1(camera).id, right, event2.currentTarget.checked));
      append($$anchor3, label);
    });
    var node_1 = sibling(div, 2);
    {
      var consequent = ($$anchor3) => {
        var label_1 = root_1$f();
        var span2 = child(label_1);
        var text_2 = child(span2);
        var span_1 = sibling(text_2);
        var text_3 = only_child(span_1);
        var input_1 = sibling(span2, 2);
        template_effect(
          ($0) => {
            set_text(text_2, `${T.rights.until} `);
            set_text(text_3, `(${T.rights.forever})`);
            set_value(input_1, $0);
          },
          [
            () => get$1(grant).expires ? localText(Date.parse(get$1(grant).expires), zone).slice(0, 16) : ""
          ]
        );
        delegated("change", input_1, (event2) => {
          const at = parseLocal(event2.currentTarget.value, zone);
          put(get$1(camera).id, { expires: at === null ? null : new Date(at).toISOString() });
        });
        append($$anchor3, label_1);
      };
      if_block(node_1, ($$render) => {
        if (get$1(grant)) $$render(consequent);
      });
    }
    template_effect(() => set_text(text2, get$1(camera).name));
    append($$anchor2, fieldset);
  });
  append($$anchor, fragment);
  pop();
}
delegate(["change"]);
var root$f = /* @__PURE__ */ from_html(`<!> <div class="actions wide"><a class="button primary" href="#/people"> </a></div>`, 1);
var root_1$e = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_2$a = /* @__PURE__ */ from_html(`<option> </option>`);
var root_3$8 = /* @__PURE__ */ from_html(`<!> <fieldset class="stack svelte-jtjms"><legend> </legend> <label class="check"><input type="radio" name="role"/> </label> <label class="check"><input type="radio" name="role"/> </label></fieldset> <!> <label class="field"><span> </span> <select></select></label>`, 1);
var root_4$6 = /* @__PURE__ */ from_html(`<p> </p> <!>`, 1);
function Invite($$anchor, $$props) {
  push($$props, true);
  const binding_group = [];
  const I = T.invite;
  let name = /* @__PURE__ */ state("");
  let role = /* @__PURE__ */ state("member");
  let grants = /* @__PURE__ */ state([]);
  let seconds = /* @__PURE__ */ state("86400");
  let made = /* @__PURE__ */ state(null);
  async function invite() {
    set(made, await api("POST", "/invitations", {
      name: get$1(name),
      role: get$1(role),
      grants: get$1(role) === "owner" ? [] : get$1(grants),
      expires_in_s: Number(get$1(seconds))
    }));
  }
  Page($$anchor, {
    get title() {
      return I.title;
    },
    back: "#/people",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = comment();
      var node = first_child(fragment_1);
      {
        var consequent = ($$anchor3) => {
          var fragment_2 = root$f();
          var node_1 = first_child(fragment_2);
          InvitationCode(node_1, {
            get invitation() {
              return get$1(made);
            }
          });
          var div = sibling(node_1, 2);
          var a = child(div);
          var text2 = only_child(a, true);
          template_effect(() => set_text(text2, I.done));
          append($$anchor3, fragment_2);
        };
        var alternate_1 = ($$anchor3) => {
          var fragment_3 = root_4$6();
          var p = first_child(fragment_3);
          var text_1 = only_child(p, true);
          var node_2 = sibling(p, 2);
          Form(node_2, {
            act: invite,
            get submit() {
              return I.submit;
            },
            children: ($$anchor4, $$slotProps2) => {
              var fragment_4 = root_3$8();
              var node_3 = first_child(fragment_4);
              Field(node_3, {
                get label() {
                  return I.name;
                },
                name: "name",
                autocomplete: "off",
                required: true,
                maxlength: 64,
                get value() {
                  return get$1(name);
                },
                set value($$value) {
                  set(name, $$value, true);
                }
              });
              var fieldset = sibling(node_3, 2);
              var legend = child(fieldset);
              var text_2 = only_child(legend, true);
              var label_1 = sibling(legend, 2);
              var input = child(label_1);
              input.value = input.__value = "member";
              var text_3 = sibling(input, 1, true);
              var label_2 = sibling(label_1, 2);
              var input_1 = child(label_2);
              input_1.value = input_1.__value = "owner";
              var text_4 = sibling(input_1, 1, true);
              var node_4 = sibling(fieldset, 2);
              {
                var consequent_1 = ($$anchor5) => {
                  var p_1 = root_1$e();
                  var text_5 = only_child(p_1, true);
                  template_effect(() => set_text(text_5, T.rights.ownerAll));
                  append($$anchor5, p_1);
                };
                var alternate = ($$anchor5) => {
                  Rights($$anchor5, {
                    get grants() {
                      return get$1(grants);
                    },
                    set grants($$value) {
                      set(grants, $$value);
                    }
                  });
                };
                if_block(node_4, ($$render) => {
                  if (get$1(role) === "owner") $$render(consequent_1);
                  else $$render(alternate, -1);
                });
              }
              var label_3 = sibling(node_4, 2);
              var span2 = child(label_3);
              var text_6 = only_child(span2, true);
              var select = sibling(span2, 2);
              each(select, 21, () => Object.entries(I.lengths), ([value, label]) => value, ($$anchor5, $$item) => {
                var $$array = /* @__PURE__ */ user_derived(() => to_array(get$1($$item), 2));
                let value = () => get$1($$array)[0];
                let label = () => get$1($$array)[1];
                var option = root_2$a();
                var text_7 = only_child(option, true);
                var option_value = {};
                template_effect(() => {
                  set_text(text_7, label());
                  if (option_value !== (option_value = value())) {
                    option.value = (option.__value = option_value) ?? "";
                  }
                });
                append($$anchor5, option);
              });
              init_select(select);
              template_effect(() => {
                set_text(text_2, T.people.role);
                set_text(text_3, T.people.member);
                set_text(text_4, T.people.owner);
                set_text(text_6, I.hours);
              });
              bind_group(binding_group, [], input, () => get$1(role), ($$value) => set(role, $$value));
              bind_group(binding_group, [], input_1, () => get$1(role), ($$value) => set(role, $$value));
              bind_select_value(select, () => get$1(seconds), ($$value) => set(seconds, $$value));
              append($$anchor4, fragment_4);
            },
            $$slots: { default: true }
          });
          template_effect(() => set_text(text_1, I.intro));
          append($$anchor3, fragment_3);
        };
        if_block(node, ($$render) => {
          if (get$1(made)) $$render(consequent);
          else $$render(alternate_1, -1);
        });
      }
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
const Source = window.ManagedMediaSource ?? window.MediaSource;
const mime = (codecs) => `video/mp4; codecs="${codecs}"`;
const plays = (codecs) => Source?.isTypeSupported(mime(codecs)) ?? false;
function open(video, codecs, opened) {
  if (!Source) throw new Error("no Media Source Extensions");
  const source2 = new Source();
  const url = URL.createObjectURL(source2);
  video.disableRemotePlayback = true;
  video.src = url;
  let closed = false;
  source2.addEventListener(
    "sourceopen",
    () => {
      if (closed) return;
      opened(source2.addSourceBuffer(mime(codecs)));
    },
    { once: true }
  );
  return () => {
    closed = true;
    URL.revokeObjectURL(url);
  };
}
const BEHIND = 0.35;
const TOO_FAR = 1;
const KEPT$1 = 10;
const MOST_QUEUED = 500;
const MOST_WAIT_MS = 15e3;
class LivePlayer {
  /** Plays the first of the streams that this browser can play. */
  constructor(video, camera, streams, told) {
    this.video = video;
    this.camera = camera;
    this.streams = streams;
    this.told = told;
    this.timer = window.setInterval(() => this.keepUp(), 250);
    this.connect(0);
  }
  socket = null;
  buffer = null;
  queue = null;
  close = () => {
  };
  wait = 500;
  retry = 0;
  stopped = false;
  timer;
  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.socket?.close();
    this.close();
    this.video.removeAttribute("src");
    this.video.load();
  }
  connect(index2) {
    const stream = this.streams[index2] ?? "main";
    this.told({ kind: "connecting" });
    const socket = new WebSocket(`wss://${location.host}/api/v1/cameras/${this.camera}/live?stream=${stream}`);
    socket.binaryType = "arraybuffer";
    let unsupported = false;
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      if (typeof data !== "string") {
        this.queue?.push(data);
        this.feed();
        return;
      }
      const { codecs } = JSON.parse(data);
      if (plays(codecs)) {
        this.begin(codecs, stream);
        return;
      }
      unsupported = true;
      socket.close();
      if (index2 + 1 < this.streams.length) this.connect(index2 + 1);
      else this.told({ kind: "unsupported", codecs });
    };
    socket.onclose = () => {
      if (this.stopped || unsupported || socket !== this.socket) return;
      this.told({ kind: "waiting" });
      this.retry = window.setTimeout(() => this.connect(index2), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, MOST_WAIT_MS);
    };
    this.socket = socket;
  }
  /** New parameters: a new source, as nothing of the old one fits. */
  begin(codecs, stream) {
    const queue = [];
    this.queue = queue;
    this.buffer = null;
    this.close();
    this.close = open(this.video, codecs, (buffer) => {
      this.buffer = buffer;
      buffer.addEventListener("updateend", () => this.feed());
      this.feed();
    });
    this.video.addEventListener(
      "playing",
      () => {
        if (this.stopped || this.queue !== queue) return;
        this.wait = 500;
        this.told({ kind: "playing", stream });
      },
      { once: true }
    );
    void this.video.play().catch(() => {
    });
  }
  feed() {
    const { buffer, queue, video } = this;
    if (!buffer || buffer.updating || !queue || this.stopped) return;
    try {
      const { buffered } = buffer;
      if (buffered.length && video.currentTime - buffered.start(0) > 2 * KEPT$1) {
        buffer.remove(0, video.currentTime - KEPT$1);
        return;
      }
      const next = queue.shift();
      if (!next) return;
      if (queue.length > MOST_QUEUED) throw new Error("the player does not keep up");
      buffer.appendBuffer(next);
    } catch {
      this.socket?.close();
    }
  }
  /** A little faster when behind, a jump when far behind. */
  keepUp() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length) return;
    const last = buffered.length - 1;
    const behind = buffered.end(last) - video.currentTime;
    if (behind > TOO_FAR || behind < 0 || video.currentTime < buffered.start(last)) {
      video.currentTime = Math.max(buffered.start(last), buffered.end(last) - BEHIND / 2);
      video.playbackRate = 1;
    } else {
      video.playbackRate = behind > BEHIND + 0.15 ? 1 + Math.min(0.25, (behind - BEHIND) / 2) : 1;
    }
    if (video.paused && !document.hidden) void video.play().catch(() => {
    });
  }
}
var root$e = /* @__PURE__ */ from_html(`<img alt="" class="svelte-11soimt"/>`);
var root_1$d = /* @__PURE__ */ from_html(`<p class="over svelte-11soimt"> </p>`);
var root_2$9 = /* @__PURE__ */ from_html(`<div class="picture svelte-11soimt"><!> <video data-kind="live" autoplay="" playsinline=""></video> <!></div>`, 2);
function LiveVideo($$anchor, $$props) {
  push($$props, true);
  let muted = prop($$props, "muted", 3, true), live = prop($$props, "state", 31, () => proxy({ kind: "connecting" })), video = prop($$props, "video", 15);
  let box;
  let seen2 = /* @__PURE__ */ state(false);
  let awake = /* @__PURE__ */ state(!document.hidden);
  let snapshot = /* @__PURE__ */ state(true);
  const id = /* @__PURE__ */ user_derived(() => $$props.camera.id);
  const streams = /* @__PURE__ */ user_derived(() => !$$props.camera.has_sub ? ["main"] : $$props.prefer === "sub" ? ["sub", "main"] : ["main", "sub"]);
  const order = /* @__PURE__ */ user_derived(() => get$1(streams).join());
  const paused = /* @__PURE__ */ user_derived(() => $$props.camera.paused);
  const shape = /* @__PURE__ */ user_derived(() => $$props.camera.width && $$props.camera.height ? $$props.camera.width / $$props.camera.height : 16 / 9);
  const note = /* @__PURE__ */ user_derived(() => {
    if (live().kind === "unsupported") return T.live.unsupported(live().codecs);
    if (live().kind === "playing") return $$props.prefer === "main" && live().stream === "sub" ? T.live.sub : "";
    if ($$props.camera.state !== "recording" && $$props.camera.state !== "connecting") return T.states[$$props.camera.state] ?? $$props.camera.state;
    return live().kind === "connecting" ? T.live.connecting : T.live.waiting;
  });
  user_effect(() => {
    const observer = new IntersectionObserver((entries) => set(seen2, entries.at(-1)?.isIntersecting ?? false, true), { rootMargin: "300px" });
    observer.observe(box);
    return () => observer.disconnect();
  });
  user_effect(() => {
    const wanted = get$1(order).split(",");
    const shown = video();
    const of = get$1(id);
    if (!get$1(seen2) || !get$1(awake) || get$1(paused) || !shown) return;
    set(snapshot, true);
    const player = untrack(() => new LivePlayer(shown, of, wanted, (now) => live(now)));
    return () => {
      player.stop();
      live({ kind: "connecting" });
    };
  });
  var div = root_2$9();
  event("visibilitychange", $document, () => set(awake, !document.hidden));
  let styles;
  var node = child(div);
  {
    var consequent = ($$anchor2) => {
      var img = root$e();
      template_effect(() => set_attribute(img, "src", `/api/v1/cameras/${get$1(id) ?? ""}/snapshot.jpg?width=640${$$props.camera.has_sub ? "&stream=sub" : ""}`));
      event("error", img, () => set(snapshot, false));
      append($$anchor2, img);
    };
    if_block(node, ($$render) => {
      if (get$1(seen2) && get$1(awake) && live().kind !== "playing" && get$1(snapshot) && !get$1(paused)) $$render(consequent);
    });
  }
  var video_1 = sibling(node, 2);
  let classes;
  bind_this(video_1, ($$value) => video($$value), () => video());
  var node_1 = sibling(video_1, 2);
  {
    var consequent_1 = ($$anchor2) => {
      var p = root_1$d();
      var text2 = only_child(p, true);
      template_effect(() => set_text(text2, get$1(note)));
      append($$anchor2, p);
    };
    if_block(node_1, ($$render) => {
      if (get$1(note)) $$render(consequent_1);
    });
  }
  bind_this(div, ($$value) => box = $$value, () => box);
  template_effect(() => {
    styles = set_style(div, "", styles, { "aspect-ratio": get$1(shape) });
    set_attribute(video_1, "data-camera", get$1(id));
    video_1.muted = muted();
    set_attribute(video_1, "aria-label", $$props.camera.name);
    classes = set_class(video_1, 1, "svelte-11soimt", null, classes, { playing: live().kind === "playing" });
  });
  append($$anchor, div);
  pop();
}
var root$d = /* @__PURE__ */ from_html(`<small class="svelte-om8a8f"> </small>`);
var root_1$c = /* @__PURE__ */ from_html(`<li><a data-testid="tile" class="svelte-om8a8f"><!> <span class="caption svelte-om8a8f"><span></span> <strong> </strong> <!></span></a></li>`);
var root_2$8 = /* @__PURE__ */ from_html(`<a class="button primary svelte-om8a8f" href="#/cameras/new"> </a>`);
var root_3$7 = /* @__PURE__ */ from_html(`<div class="empty"><p> </p> <p> </p> <!></div>`);
var root_4$5 = /* @__PURE__ */ from_html(`<div class="live svelte-om8a8f"><h1 class="visually-hidden"> </h1> <ul class="svelte-om8a8f"></ul> <!></div>`);
function Live($$anchor, $$props) {
  push($$props, false);
  init();
  var div = root_4$5();
  head("om8a8f", ($$anchor2) => {
    deferred_template_effect(() => {
      $document.title = `${T.live.title} · ${T.app}`;
    });
  });
  var h1 = child(div);
  var text2 = only_child(h1, true);
  var ul = sibling(h1, 2);
  each(ul, 5, () => hub.cameras, (camera) => camera.id, ($$anchor2, camera) => {
    var li = root_1$c();
    var a = child(li);
    var node = child(a);
    LiveVideo(node, {
      get camera() {
        return get$1(camera);
      },
      prefer: "sub"
    });
    var span2 = sibling(node, 2);
    var span_1 = child(span2);
    var strong = sibling(span_1, 2);
    var text_1 = only_child(strong, true);
    var node_1 = sibling(strong, 2);
    {
      var consequent = ($$anchor3) => {
        var small = root$d();
        var text_2 = only_child(small, true);
        template_effect(() => set_text(text_2, T.states[get$1(camera).state] ?? get$1(camera).state));
        append($$anchor3, small);
      };
      if_block(node_1, ($$render) => {
        if (get$1(camera).state !== "recording") $$render(consequent);
      });
    }
    template_effect(
      ($0, $1) => {
        set_attribute(a, "href", `#/camera/${get$1(camera).id ?? ""}`);
        set_attribute(a, "aria-label", $0);
        set_class(span_1, 1, `tone ${$1 ?? ""}`, "svelte-om8a8f");
        set_text(text_1, get$1(camera).name);
      },
      [
        () => T.live.open(get$1(camera).name),
        () => toneOf(get$1(camera))
      ]
    );
    append($$anchor2, li);
  });
  var node_2 = sibling(ul, 2);
  {
    var consequent_2 = ($$anchor2) => {
      var div_1 = root_3$7();
      var p = child(div_1);
      var text_3 = only_child(p, true);
      var p_1 = sibling(p, 2);
      var text_4 = only_child(p_1, true);
      var node_3 = sibling(p_1, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var a_1 = root_2$8();
          var text_5 = only_child(a_1, true);
          template_effect(() => set_text(text_5, T.live.addCamera));
          append($$anchor3, a_1);
        };
        if_block(node_3, ($$render) => {
          if (hub.owner) $$render(consequent_1);
        });
      }
      template_effect(() => {
        set_text(text_3, T.live.none);
        set_text(text_4, hub.owner ? T.live.noneOwner : T.live.noneMember);
      });
      append($$anchor2, div_1);
    };
    if_block(node_2, ($$render) => {
      if (hub.cameras.length === 0) $$render(consequent_2);
    });
  }
  template_effect(() => set_text(text2, T.live.title));
  append($$anchor, div);
  pop();
}
var root$c = /* @__PURE__ */ from_html(`<div class="field"><label class="label"> </label> <textarea autocomplete="off" autocapitalize="none" spellcheck="false" required=""></textarea> <p class="hint"> </p></div> <!>`, 1);
var root_1$b = /* @__PURE__ */ from_html(`<p> </p> <!>`, 1);
function NewKit($$anchor, $$props) {
  const id = props_id();
  push($$props, true);
  let old = /* @__PURE__ */ state("");
  let password = /* @__PURE__ */ state("");
  let kit = /* @__PURE__ */ state(null);
  async function make() {
    const recovery_kit = get$1(old).trim().replace(/\s+/g, " ");
    set(kit, (await api("POST", "/recovery-kit", { recovery_kit, password: get$1(password) })).recovery_kit);
    set(old, set(password, ""), true);
  }
  var fragment = comment();
  var node = first_child(fragment);
  {
    var consequent = ($$anchor2) => {
      Page($$anchor2, {
        get title() {
          return T.kit.title;
        },
        children: ($$anchor3, $$slotProps) => {
          Kit($$anchor3, {
            get kit() {
              return get$1(kit);
            },
            done: () => {
              set(kit, null);
              router.go("#/settings", true);
            }
          });
        },
        $$slots: { default: true }
      });
    };
    var alternate = ($$anchor2) => {
      Page($$anchor2, {
        get title() {
          return T.newKit.title;
        },
        back: "#/settings",
        children: ($$anchor3, $$slotProps) => {
          var fragment_4 = root_1$b();
          var p = first_child(fragment_4);
          var text2 = only_child(p, true);
          var node_1 = sibling(p, 2);
          Form(node_1, {
            act: make,
            get submit() {
              return T.newKit.submit;
            },
            children: ($$anchor4, $$slotProps2) => {
              var fragment_5 = root$c();
              var div = first_child(fragment_5);
              var label = child(div);
              var text_1 = only_child(label, true);
              var textarea = sibling(label, 2);
              var p_1 = sibling(textarea, 2);
              var text_2 = only_child(p_1, true);
              var node_2 = sibling(div, 2);
              PasswordField(node_2, {
                autocomplete: "current-password",
                get value() {
                  return get$1(password);
                },
                set value($$value) {
                  set(password, $$value, true);
                }
              });
              template_effect(() => {
                set_attribute(label, "for", id);
                set_text(text_1, T.newKit.old);
                set_attribute(textarea, "id", id);
                set_attribute(textarea, "aria-describedby", `${id}-hint`);
                set_attribute(p_1, "id", `${id}-hint`);
                set_text(text_2, T.recover.kitHint);
              });
              bind_value(textarea, () => get$1(old), ($$value) => set(old, $$value));
              append($$anchor4, fragment_5);
            },
            $$slots: { default: true }
          });
          template_effect(() => set_text(text2, T.newKit.intro));
          append($$anchor3, fragment_4);
        },
        $$slots: { default: true }
      });
    };
    if_block(node, ($$render) => {
      if (get$1(kit)) $$render(consequent);
      else $$render(alternate, -1);
    });
  }
  append($$anchor, fragment);
  pop();
}
var root$b = /* @__PURE__ */ from_html(`<li><a class="row"><!> <span class="text"><span class="name"> </span> <small> </small></span> <span class="chevron"><!></span></a></li>`);
var root_1$a = /* @__PURE__ */ from_html(`<li class="row"><span class="text"><span class="name"> </span><small> </small></span> <button class="plain danger"> </button></li>`);
var root_2$7 = /* @__PURE__ */ from_html(`<section class="section"><h2> </h2> <ul class="list"></ul></section>`);
var root_3$6 = /* @__PURE__ */ from_html(`<p class="problem" role="alert"> </p> <ul class="list" data-testid="members"></ul> <div class="actions wide"><a class="button primary" href="#/people/invite"><!> </a></div> <!>`, 1);
function People($$anchor, $$props) {
  push($$props, true);
  const P = T.people;
  let members = /* @__PURE__ */ state([]);
  let invitations = /* @__PURE__ */ state([]);
  let problem = /* @__PURE__ */ state("");
  async function load() {
    try {
      await (async ($$value) => {
        var $$array = to_array($$value, 2);
        set(members, $$array[0]);
        set(invitations, $$array[1]);
      })(await Promise.all([get("/members"), get("/invitations")]));
      set(problem, "");
    } catch (error) {
      set(problem, words(error), true);
    }
  }
  void load();
  async function withdraw(id) {
    try {
      await api("DELETE", `/invitations/${id}`);
    } catch (error) {
      set(problem, words(error), true);
    }
    await load();
  }
  const cameras = (grants) => grants.map(({ camera }) => hub.camera(camera)?.name ?? "").filter(Boolean).join(", ") || T.rights.none;
  Page($$anchor, {
    get title() {
      return P.title;
    },
    back: "#/settings",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_3$6();
      var p = first_child(fragment_1);
      var text2 = only_child(p, true);
      var ul = sibling(p, 2);
      each(ul, 21, () => get$1(members), ({ id, name, role, grants }) => id, ($$anchor3, $$item) => {
        let id = () => get$1($$item).id;
        let name = () => get$1($$item).name;
        let role = () => get$1($$item).role;
        let grants = () => get$1($$item).grants;
        var li = root$b();
        var a = child(li);
        var node = child(a);
        Icon(node, { name: "person" });
        var span2 = sibling(node, 2);
        var span_1 = child(span2);
        var text_1 = only_child(span_1);
        var small = sibling(span_1, 2);
        var text_2 = only_child(small, true);
        var span_2 = sibling(span2, 2);
        var node_1 = child(span_2);
        Icon(node_1, { name: "forward", size: 18 });
        template_effect(
          ($0) => {
            set_attribute(a, "href", id() === hub.me?.id ? "#/account" : `#/people/${id()}`);
            set_text(text_1, `${name() ?? ""}${id() === hub.me?.id ? ` (${P.you})` : ""}`);
            set_text(text_2, $0);
          },
          [() => role() === "owner" ? P.owner : cameras(grants())]
        );
        append($$anchor3, li);
      });
      var div = sibling(ul, 2);
      var a_1 = child(div);
      var node_2 = child(a_1);
      Icon(node_2, { name: "plus" });
      var text_3 = sibling(node_2, 1, true);
      var node_3 = sibling(div, 2);
      {
        var consequent = ($$anchor3) => {
          var section = root_2$7();
          var h2 = child(section);
          var text_4 = only_child(h2, true);
          var ul_1 = sibling(h2, 2);
          each(ul_1, 21, () => get$1(invitations), ({ id, name, expires }) => id, ($$anchor4, $$item) => {
            let id = () => get$1($$item).id;
            let name = () => get$1($$item).name;
            let expires = () => get$1($$item).expires;
            var li_1 = root_1$a();
            var span_3 = child(li_1);
            var span_4 = child(span_3);
            var text_5 = only_child(span_4, true);
            var small_1 = sibling(span_4);
            var text_6 = only_child(small_1, true);
            var button = sibling(span_3, 2);
            var text_7 = only_child(button, true);
            template_effect(
              ($0) => {
                set_text(text_5, name());
                set_text(text_6, $0);
                set_attribute(button, "aria-label", `${P.withdraw}: ${name() ?? ""}`);
                set_text(text_7, P.withdraw);
              },
              [() => P.expires(shortMoment(expires()))]
            );
            delegated("click", button, () => withdraw(id()));
            append($$anchor4, li_1);
          });
          template_effect(() => set_text(text_4, P.invitations));
          append($$anchor3, section);
        };
        if_block(node_3, ($$render) => {
          if (get$1(invitations).length) $$render(consequent);
        });
      }
      template_effect(() => {
        set_text(text2, get$1(problem));
        set_text(text_3, P.invite);
      });
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var root$a = /* @__PURE__ */ from_html(`<section class="section"><h2> </h2> <!></section>`);
var root_1$9 = /* @__PURE__ */ from_html(`<li class="row"><span class="text"><span class="name"> </span><small> </small></span> <button class="plain danger"> </button></li>`);
var root_2$6 = /* @__PURE__ */ from_html(`<ul class="list"></ul>`);
var root_3$5 = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_4$4 = /* @__PURE__ */ from_html(`<button> </button>`);
var root_5$4 = /* @__PURE__ */ from_html(`<div class="actions"><button> </button> <!> <button class="danger" data-testid="remove"> </button></div>`);
var root_6$4 = /* @__PURE__ */ from_html(`<p> </p> <!> <section class="section"><h2> </h2> <!></section> <!> <!>`, 1);
var root_7$4 = /* @__PURE__ */ from_html(`<p> </p>`);
var root_8$3 = /* @__PURE__ */ from_html(`<p class="problem" role="alert"> </p> <!>`, 1);
function Person($$anchor, $$props) {
  push($$props, true);
  const P = T.people;
  let person = /* @__PURE__ */ state(null);
  let grants = /* @__PURE__ */ state([]);
  let loaded = /* @__PURE__ */ state(false);
  let problem = /* @__PURE__ */ state("");
  let asking = /* @__PURE__ */ state(null);
  let invitation = /* @__PURE__ */ state(null);
  async function load() {
    try {
      set(person, (await get("/members")).find((member) => member.id === $$props.id) ?? null);
      set(grants, get$1(person)?.grants ?? []);
    } catch (error) {
      set(problem, words(error), true);
    }
    set(loaded, true);
  }
  void load();
  async function act(doing) {
    set(problem, "");
    try {
      await doing();
      await load();
    } catch (error) {
      set(problem, words(error), true);
    }
  }
  async function remove() {
    await api("DELETE", `/members/${$$props.id}`);
    router.go("#/people", true);
  }
  async function promote() {
    await api("PATCH", `/members/${$$props.id}`, { role: "owner" });
    await load();
  }
  {
    let $0 = /* @__PURE__ */ user_derived(() => get$1(person)?.name ?? P.title);
    Page($$anchor, {
      get title() {
        return get$1($0);
      },
      back: "#/people",
      children: ($$anchor2, $$slotProps) => {
        var fragment_1 = root_8$3();
        var p = first_child(fragment_1);
        var text2 = only_child(p, true);
        var node = sibling(p, 2);
        {
          var consequent_6 = ($$anchor3) => {
            const name = /* @__PURE__ */ user_derived(() => get$1(person).name);
            var fragment_2 = root_6$4();
            var p_1 = first_child(fragment_2);
            var text_1 = only_child(p_1);
            var node_1 = sibling(p_1, 2);
            {
              var consequent = ($$anchor4) => {
                var section = root$a();
                var h2 = child(section);
                var text_2 = only_child(h2, true);
                var node_2 = sibling(h2, 2);
                Form(node_2, {
                  act: async () => {
                    set(grants, await api("PUT", `/members/${$$props.id}/grants`, get$1(grants)));
                  },
                  get submit() {
                    return P.grantsSave;
                  },
                  get done() {
                    return T.saved;
                  },
                  children: ($$anchor5, $$slotProps2) => {
                    Rights($$anchor5, {
                      get grants() {
                        return get$1(grants);
                      },
                      set grants($$value) {
                        set(grants, $$value);
                      }
                    });
                  },
                  $$slots: { default: true }
                });
                template_effect(() => set_text(text_2, P.grants));
                append($$anchor4, section);
              };
              if_block(node_1, ($$render) => {
                if (get$1(person).role === "member") $$render(consequent);
              });
            }
            var section_1 = sibling(node_1, 2);
            var h2_1 = child(section_1);
            var text_3 = only_child(h2_1, true);
            var node_3 = sibling(h2_1, 2);
            {
              var consequent_1 = ($$anchor4) => {
                var ul = root_2$6();
                each(ul, 21, () => get$1(person).devices, (device) => device.id, ($$anchor5, device) => {
                  var li = root_1$9();
                  var span2 = child(li);
                  var span_1 = child(span2);
                  var text_4 = only_child(span_1, true);
                  var small = sibling(span_1);
                  var text_5 = only_child(small, true);
                  var button = sibling(span2, 2);
                  var text_6 = only_child(button, true);
                  template_effect(
                    ($02) => {
                      set_text(text_4, get$1(device).device);
                      set_text(text_5, $02);
                      set_attribute(button, "aria-label", `${P.signOutDevice}: ${get$1(device).device ?? ""}`);
                      set_text(text_6, P.signOutDevice);
                    },
                    [
                      () => P.lastUsed(shortMoment(get$1(device).last_used ?? get$1(device).created))
                    ]
                  );
                  delegated("click", button, () => act(() => api("DELETE", `/members/${$$props.id}/sessions/${get$1(device).id}`)));
                  append($$anchor5, li);
                });
                append($$anchor4, ul);
              };
              var alternate = ($$anchor4) => {
                var p_2 = root_3$5();
                var text_7 = only_child(p_2, true);
                template_effect(() => set_text(text_7, P.noDevices));
                append($$anchor4, p_2);
              };
              if_block(node_3, ($$render) => {
                if (get$1(person).devices.length) $$render(consequent_1);
                else $$render(alternate, -1);
              });
            }
            var node_4 = sibling(section_1, 2);
            {
              var consequent_2 = ($$anchor4) => {
                InvitationCode($$anchor4, {
                  get invitation() {
                    return get$1(invitation);
                  }
                });
              };
              var alternate_2 = ($$anchor4) => {
                var div = root_5$4();
                var button_1 = child(div);
                var text_8 = only_child(button_1, true);
                var node_5 = sibling(button_1, 2);
                {
                  var consequent_3 = ($$anchor5) => {
                    var button_2 = root_4$4();
                    var text_9 = only_child(button_2, true);
                    template_effect(() => set_text(text_9, P.promote));
                    delegated("click", button_2, () => set(asking, "promote"));
                    append($$anchor5, button_2);
                  };
                  var alternate_1 = ($$anchor5) => {
                    var button_3 = root_4$4();
                    var text_10 = only_child(button_3, true);
                    template_effect(() => set_text(text_10, P.demote));
                    delegated("click", button_3, () => act(() => api("PATCH", `/members/${$$props.id}`, { role: "member" })));
                    append($$anchor5, button_3);
                  };
                  if_block(node_5, ($$render) => {
                    if (get$1(person).role === "member") $$render(consequent_3);
                    else $$render(alternate_1, -1);
                  });
                }
                var button_4 = sibling(node_5, 2);
                var text_11 = only_child(button_4, true);
                template_effect(() => {
                  set_text(text_8, P.reinvite);
                  set_text(text_11, P.remove);
                });
                delegated("click", button_1, () => act(async () => {
                  set(invitation, await api("POST", "/invitations", { name: get$1(name), member: $$props.id }));
                }));
                delegated("click", button_4, () => set(asking, "remove"));
                append($$anchor4, div);
              };
              if_block(node_4, ($$render) => {
                if (get$1(invitation)) $$render(consequent_2);
                else $$render(alternate_2, -1);
              });
            }
            var node_6 = sibling(node_4, 2);
            {
              var consequent_4 = ($$anchor4) => {
                {
                  let $02 = /* @__PURE__ */ user_derived(() => P.removeTitle(get$1(name)));
                  Confirm($$anchor4, {
                    get title() {
                      return get$1($02);
                    },
                    get text() {
                      return P.removeText;
                    },
                    get submit() {
                      return P.remove;
                    },
                    act: remove,
                    close: () => set(asking, null)
                  });
                }
              };
              var consequent_5 = ($$anchor4) => {
                {
                  let $02 = /* @__PURE__ */ user_derived(() => P.promoteTitle(get$1(name)));
                  Confirm($$anchor4, {
                    get title() {
                      return get$1($02);
                    },
                    get text() {
                      return P.promoteText;
                    },
                    get submit() {
                      return P.promote;
                    },
                    act: promote,
                    close: () => set(asking, null)
                  });
                }
              };
              if_block(node_6, ($$render) => {
                if (get$1(asking) === "remove") $$render(consequent_4);
                else if (get$1(asking) === "promote") $$render(consequent_5, 1);
              });
            }
            template_effect(() => {
              set_text(text_1, `${(get$1(person).role === "owner" ? T.rights.ownerAll : P.member) ?? ""}${get$1(person).totp ? ` · ${P.totpOn}` : ""}`);
              set_text(text_3, P.devices);
            });
            append($$anchor3, fragment_2);
          };
          var consequent_7 = ($$anchor3) => {
            var p_3 = root_7$4();
            var text_12 = only_child(p_3, true);
            template_effect(() => set_text(text_12, P.gone));
            append($$anchor3, p_3);
          };
          if_block(node, ($$render) => {
            if (get$1(person)) $$render(consequent_6);
            else if (get$1(loaded) && !get$1(problem)) $$render(consequent_7, 1);
          });
        }
        template_effect(() => set_text(text2, get$1(problem)));
        append($$anchor2, fragment_1);
      },
      $$slots: { default: true }
    });
  }
  pop();
}
delegate(["click"]);
var root$9 = /* @__PURE__ */ from_html(`<!> <div class="field"><label class="label"> </label> <textarea name="recovery_kit" autocomplete="off" autocapitalize="none" spellcheck="false" required=""></textarea> <p class="hint"> </p></div> <!>`, 1);
var root_1$8 = /* @__PURE__ */ from_html(`<p> </p> <!>`, 1);
function Recover($$anchor, $$props) {
  const id = props_id();
  push($$props, true);
  let name = /* @__PURE__ */ state("");
  let kit = /* @__PURE__ */ state("");
  let password = /* @__PURE__ */ state("");
  async function recover() {
    await api("POST", "/sessions", {
      name: get$1(name),
      recovery_kit: get$1(kit).trim().replace(/\s+/g, " "),
      password: get$1(password),
      device: deviceName()
    });
    set(kit, set(password, ""), true);
    await hub.refresh();
    router.go("#/", true);
  }
  Page($$anchor, {
    get title() {
      return T.recover.title;
    },
    back: "#/",
    alone: true,
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_1$8();
      var p = first_child(fragment_1);
      var text2 = only_child(p);
      var node = sibling(p, 2);
      Form(node, {
        act: recover,
        get submit() {
          return T.recover.submit;
        },
        children: ($$anchor3, $$slotProps2) => {
          var fragment_2 = root$9();
          var node_1 = first_child(fragment_2);
          Field(node_1, {
            get label() {
              return T.signIn.name;
            },
            name: "name",
            autocomplete: "username",
            autocapitalize: "none",
            required: true,
            maxlength: 64,
            get value() {
              return get$1(name);
            },
            set value($$value) {
              set(name, $$value, true);
            }
          });
          var div = sibling(node_1, 2);
          var label = child(div);
          var text_1 = only_child(label, true);
          var textarea = sibling(label, 2);
          var p_1 = sibling(textarea, 2);
          var text_2 = only_child(p_1, true);
          var node_2 = sibling(div, 2);
          PasswordField(node_2, {
            get label() {
              return T.recover.password;
            },
            get hint() {
              return T.claim.passwordHint;
            },
            autocomplete: "new-password",
            get value() {
              return get$1(password);
            },
            set value($$value) {
              set(password, $$value, true);
            }
          });
          template_effect(() => {
            set_attribute(label, "for", id);
            set_text(text_1, T.recover.kit);
            set_attribute(textarea, "id", id);
            set_attribute(textarea, "aria-describedby", `${id}-hint`);
            set_attribute(p_1, "id", `${id}-hint`);
            set_text(text_2, T.recover.kitHint);
          });
          bind_value(textarea, () => get$1(kit), ($$value) => set(kit, $$value));
          append($$anchor3, fragment_2);
        },
        $$slots: { default: true }
      });
      template_effect(() => set_text(text2, `${T.recover.owner} ${T.recover.member}`));
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
const items = ($$anchor, list = noop) => {
  var ul = root_1$7();
  each(ul, 21, list, ({ href, icon, name, hint }) => href, ($$anchor2, $$item) => {
    let href = () => get$1($$item).href;
    let icon = () => get$1($$item).icon;
    let name = () => get$1($$item).name;
    let hint = () => get$1($$item).hint;
    var li = root$8();
    var a = child(li);
    var node = child(a);
    Icon(node, {
      get name() {
        return icon();
      }
    });
    var span2 = sibling(node);
    var span_1 = child(span2);
    var text2 = only_child(span_1, true);
    var small = sibling(span_1);
    var text_1 = only_child(small, true);
    var span_2 = sibling(span2, 2);
    var node_1 = child(span_2);
    Icon(node_1, { name: "forward", size: 18 });
    template_effect(() => {
      set_attribute(a, "href", href());
      set_text(text2, name());
      set_text(text_1, hint());
    });
    append($$anchor2, li);
  });
  append($$anchor, ul);
};
var root$8 = /* @__PURE__ */ from_html(`<li><a class="row"><!><span class="text"><span class="name"> </span><small> </small></span> <span class="chevron"><!></span></a></li>`);
var root_1$7 = /* @__PURE__ */ from_html(`<ul class="list"></ul>`);
var root_2$5 = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_3$4 = /* @__PURE__ */ from_html(`<!> <!> <p class="problem" role="alert"> </p> <ul class="list"><li><button class="row" data-testid="sign-out"><!><span class="text"><span class="name"> </span> <small> </small></span></button></li></ul> <!>`, 1);
function Settings($$anchor, $$props) {
  push($$props, true);
  const S = T.settings;
  const mine = [
    {
      href: "#/account",
      icon: "person",
      name: S.account,
      hint: S.accountHint
    }
  ];
  const owners = [
    {
      href: "#/cameras",
      icon: "live",
      name: S.cameras,
      hint: S.camerasHint
    },
    {
      href: "#/people",
      icon: "people",
      name: S.people,
      hint: S.peopleHint
    },
    {
      href: "#/storage",
      icon: "disk",
      name: S.storage,
      hint: S.storageHint
    },
    {
      href: "#/health",
      icon: "health",
      name: S.health,
      hint: S.healthHint
    },
    {
      href: "#/audit",
      icon: "log",
      name: S.audit,
      hint: S.auditHint
    },
    {
      href: "#/tokens",
      icon: "key",
      name: S.tokens,
      hint: S.tokensHint
    },
    { href: "#/kit", icon: "sheet", name: S.kit, hint: S.kitHint }
  ];
  let problem = /* @__PURE__ */ state("");
  async function signOut() {
    try {
      await hub.signOut();
      router.go("#/", true);
    } catch (error) {
      set(problem, words(error), true);
    }
  }
  Page($$anchor, {
    get title() {
      return S.title;
    },
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_3$4();
      var node_2 = first_child(fragment_1);
      items(node_2, () => mine);
      var node_3 = sibling(node_2, 2);
      {
        var consequent = ($$anchor3) => {
          items($$anchor3, () => owners);
        };
        if_block(node_3, ($$render) => {
          if (hub.owner) $$render(consequent);
        });
      }
      var p = sibling(node_3, 2);
      var text_2 = only_child(p, true);
      var ul_1 = sibling(p, 2);
      var li_1 = child(ul_1);
      var button = child(li_1);
      var node_4 = child(button);
      Icon(node_4, { name: "out" });
      var span_3 = sibling(node_4);
      var span_4 = child(span_3);
      var text_3 = only_child(span_4, true);
      var small_1 = sibling(span_4, 2);
      var text_4 = only_child(small_1, true);
      var node_5 = sibling(ul_1, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var p_1 = root_2$5();
          var text_5 = only_child(p_1, true);
          template_effect(($0) => set_text(text_5, $0), [() => S.version(hub.system.version)]);
          append($$anchor3, p_1);
        };
        if_block(node_5, ($$render) => {
          if (hub.system) $$render(consequent_1);
        });
      }
      template_effect(
        ($0) => {
          set_text(text_2, get$1(problem));
          set_text(text_3, S.signOut);
          set_text(text_4, $0);
        },
        [() => S.signedInAs(hub.me?.name ?? "")]
      );
      delegated("click", button, signOut);
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var root$7 = /* @__PURE__ */ from_html(`<!> <!> <!>`, 1);
var root_1$6 = /* @__PURE__ */ from_html(`<!> <div class="actions"><a class="button plain" href="#/recover"> </a> <a class="button plain" href="#/claim"> </a></div>`, 1);
function SignIn($$anchor, $$props) {
  push($$props, true);
  let name = /* @__PURE__ */ state("");
  let password = /* @__PURE__ */ state("");
  let totp = /* @__PURE__ */ state("");
  let wantsTotp = /* @__PURE__ */ state(false);
  async function signIn() {
    try {
      await api("POST", "/sessions", {
        name: get$1(name),
        password: get$1(password),
        device: deviceName(),
        ...get$1(wantsTotp) && { totp: get$1(totp).replace(/\s/g, "") }
      });
    } catch (problem) {
      if (problem instanceof Problem && problem.code === "not-claimed") router.go("#/claim");
      if (problem instanceof Problem && problem.code === "totp-needed" && !get$1(wantsTotp)) {
        set(wantsTotp, true);
        return;
      }
      throw problem;
    }
    await hub.refresh();
  }
  Page($$anchor, {
    get title() {
      return T.signIn.title;
    },
    alone: true,
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_1$6();
      var node = first_child(fragment_1);
      Form(node, {
        act: signIn,
        get submit() {
          return T.signIn.submit;
        },
        children: ($$anchor3, $$slotProps2) => {
          var fragment_2 = root$7();
          var node_1 = first_child(fragment_2);
          Field(node_1, {
            get label() {
              return T.signIn.name;
            },
            name: "name",
            autocomplete: "username",
            autocapitalize: "none",
            required: true,
            maxlength: 64,
            get value() {
              return get$1(name);
            },
            set value($$value) {
              set(name, $$value, true);
            }
          });
          var node_2 = sibling(node_1, 2);
          PasswordField(node_2, {
            autocomplete: "current-password",
            get value() {
              return get$1(password);
            },
            set value($$value) {
              set(password, $$value, true);
            }
          });
          var node_3 = sibling(node_2, 2);
          {
            var consequent = ($$anchor4) => {
              Field($$anchor4, {
                get label() {
                  return T.signIn.totp;
                },
                get hint() {
                  return T.signIn.totpHint;
                },
                name: "totp",
                inputmode: "numeric",
                autocomplete: "one-time-code",
                required: true,
                get value() {
                  return get$1(totp);
                },
                set value($$value) {
                  set(totp, $$value, true);
                }
              });
            };
            if_block(node_3, ($$render) => {
              if (get$1(wantsTotp)) $$render(consequent);
            });
          }
          append($$anchor3, fragment_2);
        },
        $$slots: { default: true }
      });
      var div = sibling(node, 2);
      var a = child(div);
      var text2 = only_child(a, true);
      var a_1 = sibling(a, 2);
      var text_1 = only_child(a_1, true);
      template_effect(() => {
        set_text(text2, T.signIn.lost);
        set_text(text_1, T.signIn.fresh);
      });
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
var root$6 = /* @__PURE__ */ from_html(`<p class="problem"> </p>`);
var root_1$5 = /* @__PURE__ */ from_html(`<svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" class="svelte-1ukjjuu"><rect width="100" height="6" class="free svelte-1ukjjuu"></rect><rect height="6" class="used svelte-1ukjjuu"></rect><rect height="6" class="other svelte-1ukjjuu"></rect></svg> <dl class="facts"><dt> </dt><dd> </dd> <dt> </dt><dd> </dd> <dt> </dt><dd> </dd> <dt> </dt><dd> </dd></dl>`, 1);
var root_2$4 = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_3$3 = /* @__PURE__ */ from_html(`<li class="row"><span class="text"><span class="name"> </span><small> </small></span> <button class="plain"> </button></li>`);
var root_4$3 = /* @__PURE__ */ from_html(`<section class="card"><!> <p class="fits svelte-1ukjjuu" data-testid="fits"> </p> <!> <p class="hint"> </p> <!> <p class="hint"> </p></section> <section class="section"><h2> </h2> <p class="hint"> </p> <ul class="list"><li class="row"><span class="text"><span class="name"> </span><small> </small></span> <button class="plain"> </button></li> <!></ul></section>`, 1);
var root_5$3 = /* @__PURE__ */ from_html(`<p class="empty" role="status"> </p>`);
var root_6$3 = /* @__PURE__ */ from_html(`<p class="problem" role="alert"> </p> <!>`, 1);
var root_7$3 = /* @__PURE__ */ from_html(`<!> <!> <p class="hint"> </p>`, 1);
var root_8$2 = /* @__PURE__ */ from_html(`<!> <!>`, 1);
function Storage($$anchor, $$props) {
  push($$props, true);
  const S = T.storage;
  const GB = 1e9;
  let storage = /* @__PURE__ */ state(null);
  let problem = /* @__PURE__ */ state("");
  let editing = /* @__PURE__ */ state(null);
  let days = /* @__PURE__ */ state("");
  let gigabytes = /* @__PURE__ */ state("");
  user_effect(() => {
    void load();
    const timer = setInterval(() => document.hidden || load(), 1e4);
    return () => clearInterval(timer);
  });
  async function load() {
    try {
      set(storage, await get("/system/storage"));
      set(problem, "");
    } catch (error) {
      set(problem, words(error), true);
    }
  }
  const fits = (n) => {
    const text2 = n >= 10 ? String(Math.round(n)) : String(Math.round(n * 10) / 10);
    return S.day(text2);
  };
  const limitText = ({ bytes, days: most }) => {
    const parts2 = [
      most !== null && S.day(String(most)),
      bytes !== null && size(bytes)
    ].filter(Boolean);
    return parts2.length ? S.upTo(parts2.join(", ")) : S.noLimit;
  };
  function edit(camera, name, limit) {
    set(days, limit.days === null ? "" : String(limit.days), true);
    set(gigabytes, limit.bytes === null ? "" : String(Math.round(limit.bytes / GB * 100) / 100), true);
    set(editing, { camera, name });
  }
  async function save() {
    const bytes = get$1(gigabytes) ? Math.round(Number(get$1(gigabytes)) * GB) : null;
    set(storage, await api("PUT", "/system/storage/limits", {
      ...get$1(editing)?.camera && { camera: get$1(editing).camera },
      bytes,
      days: get$1(days) ? Number(get$1(days)) : null
    }));
    set(editing, null);
  }
  var fragment = root_8$2();
  var node = first_child(fragment);
  Page(node, {
    get title() {
      return S.title;
    },
    back: "#/settings",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_6$3();
      var p = first_child(fragment_1);
      var text_1 = only_child(p, true);
      var node_1 = sibling(p, 2);
      {
        var consequent_3 = ($$anchor3) => {
          const computed_const = /* @__PURE__ */ user_derived(() => {
            const { total_bytes: total, free_bytes: free, used_bytes: used } = get$1(storage);
            return { total, free, used };
          });
          var fragment_2 = root_4$3();
          var section = first_child(fragment_2);
          var node_2 = child(section);
          {
            var consequent = ($$anchor4) => {
              var p_1 = root$6();
              var text_2 = only_child(p_1, true);
              template_effect(() => set_text(text_2, get$1(storage).health.detail));
              append($$anchor4, p_1);
            };
            if_block(node_2, ($$render) => {
              if (get$1(storage).health.detail) $$render(consequent);
            });
          }
          var p_2 = sibling(node_2, 2);
          var text_3 = only_child(p_2, true);
          var node_3 = sibling(p_2, 2);
          {
            var consequent_1 = ($$anchor4) => {
              const other = /* @__PURE__ */ user_derived(() => Math.max(0, get$1(computed_const).total - get$1(computed_const).free - get$1(computed_const).used));
              var fragment_3 = root_1$5();
              var svg = first_child(fragment_3);
              var rect = sibling(child(svg));
              var rect_1 = sibling(rect);
              var dl = sibling(svg, 2);
              var dt = child(dl);
              var text_4 = only_child(dt, true);
              var dd = sibling(dt);
              var text_5 = only_child(dd, true);
              var dt_1 = sibling(dd, 2);
              var text_6 = only_child(dt_1, true);
              var dd_1 = sibling(dt_1);
              var text_7 = only_child(dd_1, true);
              var dt_2 = sibling(dd_1, 2);
              var text_8 = only_child(dt_2, true);
              var dd_2 = sibling(dt_2);
              var text_9 = only_child(dd_2, true);
              var dt_3 = sibling(dd_2, 2);
              var text_10 = only_child(dt_3, true);
              var dd_3 = sibling(dt_3);
              var text_11 = only_child(dd_3, true);
              template_effect(
                ($0, $1, $2, $3, $4) => {
                  set_attribute(svg, "aria-label", $0);
                  set_attribute(rect, "width", get$1(computed_const).used / get$1(computed_const).total * 100);
                  set_attribute(rect_1, "x", get$1(computed_const).used / get$1(computed_const).total * 100);
                  set_attribute(rect_1, "width", get$1(other) / get$1(computed_const).total * 100);
                  set_text(text_4, S.used);
                  set_text(text_5, $1);
                  set_text(text_6, S.other);
                  set_text(text_7, $2);
                  set_text(text_8, S.free);
                  set_text(text_9, $3);
                  set_text(text_10, S.reserve);
                  set_text(text_11, $4);
                },
                [
                  () => S.of(size(get$1(computed_const).used), size(get$1(computed_const).total)),
                  () => size(get$1(computed_const).used),
                  () => size(get$1(other)),
                  () => size(get$1(computed_const).free),
                  () => size(get$1(storage).reserve_bytes)
                ]
              );
              append($$anchor4, fragment_3);
            };
            var alternate = ($$anchor4) => {
              var p_3 = root$6();
              var text_12 = only_child(p_3, true);
              template_effect(() => set_text(text_12, S.noDisk));
              append($$anchor4, p_3);
            };
            if_block(node_3, ($$render) => {
              if (get$1(computed_const).total !== null && get$1(computed_const).free !== null) $$render(consequent_1);
              else $$render(alternate, -1);
            });
          }
          var p_4 = sibling(node_3, 2);
          var text_13 = only_child(p_4, true);
          var node_4 = sibling(p_4, 2);
          {
            var consequent_2 = ($$anchor4) => {
              var p_5 = root_2$4();
              var text_14 = only_child(p_5, true);
              template_effect(($0) => set_text(text_14, $0), [() => S.removed(get$1(storage).removed_segments)]);
              append($$anchor4, p_5);
            };
            if_block(node_4, ($$render) => {
              if (get$1(storage).removed_segments) $$render(consequent_2);
            });
          }
          var p_6 = sibling(node_4, 2);
          var text_15 = only_child(p_6, true);
          var section_1 = sibling(section, 2);
          var h2 = child(section_1);
          var text_16 = only_child(h2, true);
          var p_7 = sibling(h2, 2);
          var text_17 = only_child(p_7, true);
          var ul = sibling(p_7, 2);
          var li = child(ul);
          var span2 = child(li);
          var span_1 = child(span2);
          var text_18 = only_child(span_1, true);
          var small = sibling(span_1);
          var text_19 = only_child(small, true);
          var button = sibling(span2, 2);
          var text_20 = only_child(button, true);
          var node_5 = sibling(li, 2);
          each(node_5, 17, () => get$1(storage).cameras, (of) => of.camera, ($$anchor4, of) => {
            const name = /* @__PURE__ */ user_derived(() => hub.camera(get$1(of).camera)?.name ?? get$1(of).camera);
            var li_1 = root_3$3();
            var span_2 = child(li_1);
            var span_3 = child(span_2);
            var text_21 = only_child(span_3, true);
            var small_1 = sibling(span_3);
            var text_22 = only_child(small_1);
            var button_1 = sibling(span_2, 2);
            var text_23 = only_child(button_1, true);
            template_effect(
              ($0, $1) => {
                set_text(text_21, get$1(name));
                set_text(text_22, `${$0 ?? ""} · ${$1 ?? ""}`);
                set_attribute(button_1, "aria-label", `${S.change}: ${get$1(name) ?? ""}`);
                set_text(text_23, S.change);
              },
              [
                () => size(get$1(of).used_bytes),
                () => limitText(get$1(of).limit)
              ]
            );
            delegated("click", button_1, () => edit(get$1(of).camera, get$1(name), get$1(of).limit));
            append($$anchor4, li_1);
          });
          template_effect(
            ($0, $1, $2) => {
              set_text(text_3, $0);
              set_text(text_13, S.oldest);
              set_text(text_15, $1);
              set_text(text_16, S.limits);
              set_text(text_17, S.limitsHint);
              set_text(text_18, S.all);
              set_text(text_19, $2);
              set_text(text_20, S.change);
            },
            [
              () => get$1(storage).fits_days === null ? S.unknown : S.fits(fits(get$1(storage).fits_days)),
              () => S.loss(get$1(storage).loss_bound_s.toFixed(1).replace(/\.0$/, "")),
              () => limitText(get$1(storage).limit)
            ]
          );
          delegated("click", button, () => get$1(storage) && edit(null, S.all, get$1(storage).limit));
          append($$anchor3, fragment_2);
        };
        var consequent_4 = ($$anchor3) => {
          var p_8 = root_5$3();
          var text_24 = only_child(p_8, true);
          template_effect(() => set_text(text_24, T.loading));
          append($$anchor3, p_8);
        };
        if_block(node_1, ($$render) => {
          if (get$1(storage)) $$render(consequent_3);
          else if (!get$1(problem)) $$render(consequent_4, 1);
        });
      }
      template_effect(() => set_text(text_1, get$1(problem)));
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  var node_6 = sibling(node, 2);
  {
    var consequent_5 = ($$anchor2) => {
      Sheet($$anchor2, {
        get title() {
          return get$1(editing).name;
        },
        close: () => set(editing, null),
        children: ($$anchor3, $$slotProps) => {
          Form($$anchor3, {
            act: save,
            get submit() {
              return T.save;
            },
            children: ($$anchor4, $$slotProps2) => {
              var fragment_6 = root_7$3();
              var node_7 = first_child(fragment_6);
              Field(node_7, {
                get label() {
                  return S.days;
                },
                inputmode: "numeric",
                pattern: "[0-9]*",
                get placeholder() {
                  return S.noLimit;
                },
                get value() {
                  return get$1(days);
                },
                set value($$value) {
                  set(days, $$value, true);
                }
              });
              var node_8 = sibling(node_7, 2);
              Field(node_8, {
                get label() {
                  return S.gigabytes;
                },
                inputmode: "decimal",
                pattern: "[0-9.]*",
                get placeholder() {
                  return S.noLimit;
                },
                get value() {
                  return get$1(gigabytes);
                },
                set value($$value) {
                  set(gigabytes, $$value, true);
                }
              });
              var p_9 = sibling(node_8, 2);
              var text_25 = only_child(p_9, true);
              template_effect(() => set_text(text_25, S.warn));
              append($$anchor4, fragment_6);
            },
            $$slots: { default: true }
          });
        },
        $$slots: { default: true }
      });
    };
    if_block(node_6, ($$render) => {
      if (get$1(editing)) $$render(consequent_5);
    });
  }
  append($$anchor, fragment);
  pop();
}
delegate(["click"]);
var root$5 = /* @__PURE__ */ from_html(`<div class="card"><h2> </h2> <p> </p> <!> <div class="actions"><button> </button></div></div>`);
var root_1$4 = /* @__PURE__ */ from_html(`<li class="row"><!> <span class="text"><span class="name"> </span> <small> </small></span> <button class="plain danger"> </button></li>`);
var root_2$3 = /* @__PURE__ */ from_html(`<ul class="list"></ul>`);
var root_3$2 = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_4$2 = /* @__PURE__ */ from_html(`<button type="button"> </button>`);
var root_5$2 = /* @__PURE__ */ from_html(`<!> <!> <!>`, 1);
var root_6$2 = /* @__PURE__ */ from_html(`<div class="actions wide"><button class="primary"><!> </button></div>`);
var root_7$2 = /* @__PURE__ */ from_html(`<p> </p> <p class="problem" role="alert"> </p> <!> <!> <!> <!>`, 1);
function Tokens($$anchor, $$props) {
  push($$props, true);
  const K = T.tokens;
  let tokens = /* @__PURE__ */ state([]);
  let loaded = /* @__PURE__ */ state(false);
  let problem = /* @__PURE__ */ state("");
  let name = /* @__PURE__ */ state("");
  let until2 = /* @__PURE__ */ state("");
  let grants = /* @__PURE__ */ state([]);
  let made = /* @__PURE__ */ state(null);
  let adding = /* @__PURE__ */ state(false);
  let removing = /* @__PURE__ */ state(null);
  async function load() {
    try {
      set(tokens, await get("/tokens"));
    } catch (error) {
      set(problem, words(error), true);
    }
    set(loaded, true);
  }
  void load();
  async function make() {
    const expires = parseLocal(get$1(until2), deviceZone());
    set(made, await api("POST", "/tokens", {
      name: get$1(name),
      grants: get$1(grants),
      expires: expires === null ? null : new Date(expires).toISOString()
    }));
    set(name, set(until2, ""), true);
    set(grants, []);
    set(adding, false);
    await load();
  }
  const cameras = (of) => of.map(({ camera }) => hub.camera(camera)?.name ?? "").filter(Boolean).join(", ") || T.rights.none;
  Page($$anchor, {
    get title() {
      return K.title;
    },
    back: "#/settings",
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_7$2();
      var p = first_child(fragment_1);
      var text2 = only_child(p, true);
      var p_1 = sibling(p, 2);
      var text_1 = only_child(p_1, true);
      var node = sibling(p_1, 2);
      {
        var consequent = ($$anchor3) => {
          var div = root$5();
          var h2 = child(div);
          var text_2 = only_child(h2);
          var p_2 = sibling(h2, 2);
          var text_3 = only_child(p_2, true);
          var node_1 = sibling(p_2, 2);
          Copy(node_1, {
            get text() {
              return get$1(made).token;
            }
          });
          var div_1 = sibling(node_1, 2);
          var button = child(div_1);
          var text_4 = only_child(button, true);
          template_effect(() => {
            set_text(text_2, `${K.ready}: ${get$1(made).name ?? ""}`);
            set_text(text_3, K.once);
            set_text(text_4, T.invite.done);
          });
          delegated("click", button, () => set(made, null));
          append($$anchor3, div);
        };
        if_block(node, ($$render) => {
          if (get$1(made)) $$render(consequent);
        });
      }
      var node_2 = sibling(node, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var ul = root_2$3();
          each(ul, 21, () => get$1(tokens), (token) => token.id, ($$anchor4, token) => {
            var li = root_1$4();
            var node_3 = child(li);
            Icon(node_3, { name: "key" });
            var span2 = sibling(node_3, 2);
            var span_1 = child(span2);
            var text_5 = only_child(span_1, true);
            var small = sibling(span_1, 2);
            var text_6 = only_child(small);
            var button_1 = sibling(span2, 2);
            var text_7 = only_child(button_1, true);
            template_effect(
              ($0, $1) => {
                set_text(text_5, get$1(token).name);
                set_text(text_6, `${$0 ?? ""} · ${$1 ?? ""}`);
                set_attribute(button_1, "aria-label", `${T.remove}: ${get$1(token).name ?? ""}`);
                set_text(text_7, T.remove);
              },
              [
                () => cameras(get$1(token).grants),
                () => get$1(token).expires ? K.expires(shortMoment(get$1(token).expires)) : K.noExpiry
              ]
            );
            delegated("click", button_1, () => set(removing, get$1(token)));
            append($$anchor4, li);
          });
          append($$anchor3, ul);
        };
        var consequent_2 = ($$anchor3) => {
          var p_3 = root_3$2();
          var text_8 = only_child(p_3, true);
          template_effect(() => set_text(text_8, K.none));
          append($$anchor3, p_3);
        };
        if_block(node_2, ($$render) => {
          if (get$1(tokens).length) $$render(consequent_1);
          else if (get$1(loaded) && !get$1(problem)) $$render(consequent_2, 1);
        });
      }
      var node_4 = sibling(node_2, 2);
      {
        var consequent_3 = ($$anchor3) => {
          {
            const beside = ($$anchor4) => {
              var button_2 = root_4$2();
              var text_9 = only_child(button_2, true);
              template_effect(() => set_text(text_9, T.cancel));
              delegated("click", button_2, () => set(adding, false));
              append($$anchor4, button_2);
            };
            Form($$anchor3, {
              act: make,
              get submit() {
                return K.submit;
              },
              beside,
              children: ($$anchor4, $$slotProps2) => {
                var fragment_3 = root_5$2();
                var node_5 = first_child(fragment_3);
                Field(node_5, {
                  get label() {
                    return K.name;
                  },
                  get placeholder() {
                    return K.namePlaceholder;
                  },
                  autocomplete: "off",
                  required: true,
                  maxlength: 64,
                  get value() {
                    return get$1(name);
                  },
                  set value($$value) {
                    set(name, $$value, true);
                  }
                });
                var node_6 = sibling(node_5, 2);
                Rights(node_6, {
                  get grants() {
                    return get$1(grants);
                  },
                  set grants($$value) {
                    set(grants, $$value);
                  }
                });
                var node_7 = sibling(node_6, 2);
                Field(node_7, {
                  get label() {
                    return K.until;
                  },
                  get hint() {
                    return K.noExpiry;
                  },
                  type: "datetime-local",
                  get value() {
                    return get$1(until2);
                  },
                  set value($$value) {
                    set(until2, $$value, true);
                  }
                });
                append($$anchor4, fragment_3);
              },
              $$slots: { beside: true, default: true }
            });
          }
        };
        var alternate = ($$anchor3) => {
          var div_2 = root_6$2();
          var button_3 = child(div_2);
          var node_8 = child(button_3);
          Icon(node_8, { name: "plus" });
          var text_10 = sibling(node_8, 1, true);
          template_effect(() => set_text(text_10, K.add));
          delegated("click", button_3, () => set(adding, true));
          append($$anchor3, div_2);
        };
        if_block(node_4, ($$render) => {
          if (get$1(adding)) $$render(consequent_3);
          else $$render(alternate, -1);
        });
      }
      var node_9 = sibling(node_4, 2);
      {
        var consequent_4 = ($$anchor3) => {
          const computed_const = /* @__PURE__ */ user_derived(() => {
            const { id, name: what } = get$1(removing);
            return { id, what };
          });
          {
            let $0 = /* @__PURE__ */ user_derived(() => K.removeTitle(get$1(computed_const).what));
            Confirm($$anchor3, {
              get title() {
                return get$1($0);
              },
              get text() {
                return K.removeText;
              },
              get submit() {
                return T.remove;
              },
              close: () => set(removing, null),
              act: async () => {
                await api("DELETE", `/tokens/${get$1(computed_const).id}`);
                await load();
              }
            });
          }
        };
        if_block(node_9, ($$render) => {
          if (get$1(removing)) $$render(consequent_4);
        });
      }
      template_effect(() => {
        set_text(text2, K.intro);
        set_text(text_1, get$1(problem));
      });
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
var root$4 = /* @__PURE__ */ from_html(`<li> </li>`);
var root_1$3 = /* @__PURE__ */ from_html(`<p> </p> <ul class="card"></ul> <p class="hint" role="status"> </p> <div class="actions"><button class="primary"> </button></div>`, 1);
function Unreachable($$anchor, $$props) {
  push($$props, false);
  init();
  Page($$anchor, {
    get title() {
      return T.unreachable.title;
    },
    alone: true,
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_1$3();
      var p = first_child(fragment_1);
      var text2 = only_child(p, true);
      var ul = sibling(p, 2);
      each(ul, 5, () => T.unreachable.steps, (step) => step, ($$anchor3, step) => {
        var li = root$4();
        var text_1 = only_child(li, true);
        template_effect(() => set_text(text_1, get$1(step)));
        append($$anchor3, li);
      });
      var p_1 = sibling(ul, 2);
      var text_2 = only_child(p_1, true);
      var div = sibling(p_1, 2);
      var button = child(div);
      var text_3 = only_child(button, true);
      template_effect(() => {
        set_text(text2, T.unreachable.text);
        set_text(text_2, T.unreachable.again);
        set_text(text_3, T.unreachable.try);
      });
      delegated("click", button, () => hub.refresh());
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["click"]);
const LARGE = 4e8;
async function saveFilm(camera, from, to, signal, told) {
  let how = "saved";
  let part = 1;
  for (let at = from; at < to; part++) {
    const path = `/api/v1/cameras/${camera.id}/export.mp4${query({ from: iso(at), to: iso(to) })}`;
    const ask = await request(path, { signal, headers: { range: "bytes=1-1" } });
    const all2 = Number(/\/(\d+)$/.exec(ask.headers.get("content-range") ?? "")?.[1] ?? 0);
    const next = Date.parse(ask.headers.get("keepsight-next") ?? "");
    if (all2 > LARGE) {
      download(path, "");
      how = "left to the browser";
    } else {
      const response = await request(path, { signal });
      const blob = await read(response, all2, signal, (done) => told({ part, done, all: all2 }));
      const url = URL.createObjectURL(blob);
      download(url, fileName(response, camera));
      setTimeout(() => URL.revokeObjectURL(url), 6e4);
    }
    if (!next) break;
    at = next;
  }
  return how;
}
async function read(response, all2, signal, told) {
  const pieces = [];
  const reader = response.body?.getReader();
  let done = 0;
  told(0);
  while (reader) {
    const piece = await reader.read();
    signal.throwIfAborted();
    if (piece.done) break;
    pieces.push(piece.value);
    done += piece.value.length;
    told(done);
  }
  if (done !== all2 && all2) throw new Error(T.keep.early);
  return new Blob(pieces, { type: "video/mp4" });
}
function download(url, name) {
  const link2 = document.createElement("a");
  link2.href = url;
  link2.download = name;
  document.body.append(link2);
  link2.click();
  link2.remove();
}
function fileName(response, camera) {
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  return encoded ? decodeURIComponent(encoded) : `${camera.name}.mp4`;
}
var root$3 = /* @__PURE__ */ from_html(`<button type="button"> </button>`);
var root_1$2 = /* @__PURE__ */ from_html(`<div role="status"><progress class="svelte-1fcefi3"></progress> <p class="hint"> <!></p></div> <div class="actions"><button type="button"> </button></div>`, 1);
var root_2$2 = /* @__PURE__ */ from_html(`<button class="primary" data-testid="save"> </button>`);
var root_3$1 = /* @__PURE__ */ from_html(`<button data-testid="protect"> </button>`);
var root_4$1 = /* @__PURE__ */ from_html(`<p class="hint"> </p>`);
var root_5$1 = /* @__PURE__ */ from_html(`<div class="actions wide"><!> <!></div> <!>`, 1);
var root_6$1 = /* @__PURE__ */ from_html(`<button class="plain danger"> </button>`);
var root_7$1 = /* @__PURE__ */ from_html(`<li class="row"><span class="text"> <small> </small></span> <!></li>`);
var root_8$1 = /* @__PURE__ */ from_html(`<section class="section"><h2> </h2> <ul class="list"></ul></section>`);
var root_9$1 = /* @__PURE__ */ from_html(`<div class="times svelte-1fcefi3"><label class="field"><span> </span> <input type="datetime-local" step="1"/></label> <label class="field"><span> </span> <input type="datetime-local" step="1"/></label></div> <div class="actions" role="group"></div> <p class="problem" role="alert"> </p> <p class="note" role="status"> </p> <!> <!>`, 1);
function Keep($$anchor, $$props) {
  push($$props, true);
  let marked = prop($$props, "marked", 15);
  const zone = deviceZone();
  const DAY = 864e5;
  let from = /* @__PURE__ */ state($$props.around - 15e3);
  let to = /* @__PURE__ */ state(proxy(Math.min($$props.around + 15e3, hubNow())));
  let busy = /* @__PURE__ */ state(false);
  let progress = /* @__PURE__ */ state(null);
  let problem = /* @__PURE__ */ state("");
  let note = /* @__PURE__ */ state("");
  let abort = new AbortController();
  const mayExport = /* @__PURE__ */ user_derived(() => hub.may($$props.camera.id, "export"));
  const nearby = /* @__PURE__ */ user_derived(() => $$props.data.protectedSpans.filter(({ start, end }) => end > get$1(from) - DAY && start < get$1(to) + DAY));
  user_effect(() => {
    marked({ start: get$1(from), end: get$1(to) });
  });
  user_effect(() => () => abort.abort());
  function set$1(seconds) {
    set(to, Math.min($$props.around + seconds * 500, hubNow()), true);
    set(from, get$1(to) - seconds * 1e3);
  }
  async function run2(act) {
    set(problem, set(note, ""), true);
    set(busy, true);
    try {
      if (get$1(from) >= get$1(to)) throw new Error(T.keep.bad);
      set(note, await act(), true);
    } catch (error) {
      if (!abort.signal.aborted) set(problem, words(error), true);
    } finally {
      set(busy, false);
      set(progress, null);
    }
  }
  const save = () => run2(async () => {
    if (get$1(to) - get$1(from) > DAY) throw new Error(T.keep.long);
    abort = new AbortController();
    return await saveFilm($$props.camera, get$1(from), get$1(to), abort.signal, (now) => set(progress, now)) === "saved" ? T.keep.savedFilm : T.keep.large;
  });
  const protect = () => run2(async () => {
    await api("POST", `/cameras/${$$props.camera.id}/protected`, { from: iso(get$1(from)), to: iso(get$1(to)) });
    await $$props.data.loadProtected();
    return T.keep.protectedNow;
  });
  async function release({ start, end }) {
    try {
      await api("DELETE", `/cameras/${$$props.camera.id}/protected${query({ from: iso(start), to: iso(end) })}`);
      await $$props.data.loadProtected();
    } catch (error) {
      if (error instanceof Problem) set(problem, error.message, true);
    }
  }
  Sheet($$anchor, {
    get title() {
      return T.keep.title;
    },
    get close() {
      return $$props.close;
    },
    children: ($$anchor2, $$slotProps) => {
      var fragment_1 = root_9$1();
      var div = first_child(fragment_1);
      var label_1 = child(div);
      var span_1 = child(label_1);
      var text$1 = only_child(span_1, true);
      var input = sibling(span_1, 2);
      var label_2 = sibling(label_1, 2);
      var span_2 = child(label_2);
      var text_1 = only_child(span_2, true);
      var input_1 = sibling(span_2, 2);
      var div_1 = sibling(div, 2);
      each(div_1, 21, () => Object.entries(T.keep.length), ([seconds, label]) => seconds, ($$anchor3, $$item) => {
        var $$array = /* @__PURE__ */ user_derived(() => to_array(get$1($$item), 2));
        let seconds = () => get$1($$array)[0];
        let label = () => get$1($$array)[1];
        var button = root$3();
        var text_2 = only_child(button, true);
        template_effect(() => set_text(text_2, label()));
        delegated("click", button, () => set$1(Number(seconds())));
        append($$anchor3, button);
      });
      var p = sibling(div_1, 2);
      var text_3 = only_child(p, true);
      var p_1 = sibling(p, 2);
      var text_4 = only_child(p_1, true);
      var node = sibling(p_1, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var fragment_2 = root_1$2();
          var div_2 = first_child(fragment_2);
          var progress_1 = child(div_2);
          var p_2 = sibling(progress_1, 2);
          var text_5 = child(p_2);
          var node_1 = sibling(text_5);
          {
            var consequent = ($$anchor4) => {
              var text_6 = text();
              template_effect(($0) => set_text(text_6, $0), [() => T.keep.part(get$1(progress).part)]);
              append($$anchor4, text_6);
            };
            if_block(node_1, ($$render) => {
              if (get$1(progress).part > 1) $$render(consequent);
            });
          }
          var div_3 = sibling(div_2, 2);
          var button_1 = child(div_3);
          var text_7 = only_child(button_1, true);
          template_effect(
            ($0) => {
              set_attribute(progress_1, "max", get$1(progress).all);
              set_value(progress_1, get$1(progress).done);
              set_text(text_5, `${$0 ?? ""} `);
              set_text(text_7, T.keep.stop);
            },
            [
              () => T.keep.saving(size(get$1(progress).done), size(get$1(progress).all))
            ]
          );
          delegated("click", button_1, () => abort.abort());
          append($$anchor3, fragment_2);
        };
        var alternate = ($$anchor3) => {
          var fragment_4 = root_5$1();
          var div_4 = first_child(fragment_4);
          var node_2 = child(div_4);
          {
            var consequent_2 = ($$anchor4) => {
              var button_2 = root_2$2();
              var text_8 = only_child(button_2);
              template_effect(
                ($0) => {
                  button_2.disabled = get$1(busy);
                  set_text(text_8, `${T.keep.save} (${$0 ?? ""})`);
                },
                [() => length(get$1(to) - get$1(from))]
              );
              delegated("click", button_2, save);
              append($$anchor4, button_2);
            };
            if_block(node_2, ($$render) => {
              if (get$1(mayExport)) $$render(consequent_2);
            });
          }
          var node_3 = sibling(node_2, 2);
          {
            var consequent_3 = ($$anchor4) => {
              var button_3 = root_3$1();
              var text_9 = only_child(button_3, true);
              template_effect(() => {
                button_3.disabled = get$1(busy);
                set_text(text_9, T.keep.protect);
              });
              delegated("click", button_3, protect);
              append($$anchor4, button_3);
            };
            if_block(node_3, ($$render) => {
              if (hub.owner) $$render(consequent_3);
            });
          }
          var node_4 = sibling(div_4, 2);
          {
            var consequent_4 = ($$anchor4) => {
              var p_3 = root_4$1();
              var text_10 = only_child(p_3, true);
              template_effect(() => set_text(text_10, T.keep.protectHint));
              append($$anchor4, p_3);
            };
            if_block(node_4, ($$render) => {
              if (hub.owner) $$render(consequent_4);
            });
          }
          append($$anchor3, fragment_4);
        };
        if_block(node, ($$render) => {
          if (get$1(progress)) $$render(consequent_1);
          else $$render(alternate, -1);
        });
      }
      var node_5 = sibling(node, 2);
      {
        var consequent_6 = ($$anchor3) => {
          var section = root_8$1();
          var h2 = child(section);
          var text_11 = only_child(h2, true);
          var ul = sibling(h2, 2);
          each(ul, 21, () => get$1(nearby), (span2) => `${span2.start}-${span2.end}`, ($$anchor4, span2) => {
            var li = root_7$1();
            var span_3 = child(li);
            var text_12 = child(span_3);
            var small = sibling(text_12);
            var text_13 = only_child(small);
            var node_6 = sibling(span_3, 2);
            {
              var consequent_5 = ($$anchor5) => {
                var button_4 = root_6$1();
                var text_14 = only_child(button_4, true);
                template_effect(() => set_text(text_14, T.keep.release));
                delegated("click", button_4, () => release(get$1(span2)));
                append($$anchor5, button_4);
              };
              if_block(node_6, ($$render) => {
                if (hub.owner) $$render(consequent_5);
              });
            }
            template_effect(
              ($0, $1, $2) => {
                set_text(text_12, $0);
                set_text(text_13, `${T.keep.to} ${$1 ?? ""}, ${$2 ?? ""}`);
              },
              [
                () => shortMoment(get$1(span2).start),
                () => clockTimeSeconds(get$1(span2).end),
                () => length(get$1(span2).end - get$1(span2).start)
              ]
            );
            append($$anchor4, li);
          });
          template_effect(() => set_text(text_11, T.keep.list));
          append($$anchor3, section);
        };
        if_block(node_5, ($$render) => {
          if (get$1(nearby).length) $$render(consequent_6);
        });
      }
      template_effect(
        ($0, $1) => {
          set_text(text$1, T.keep.from);
          set_value(input, $0);
          set_text(text_1, T.keep.to);
          set_value(input_1, $1);
          set_attribute(div_1, "aria-label", T.keep.lengths);
          set_text(text_3, get$1(problem));
          set_text(text_4, get$1(note));
        },
        [
          () => localText(get$1(from), zone),
          () => localText(get$1(to), zone)
        ]
      );
      delegated("change", input, (event2) => set(from, parseLocal(event2.currentTarget.value, zone) ?? get$1(from), true));
      delegated("change", input_1, (event2) => set(to, parseLocal(event2.currentTarget.value, zone) ?? get$1(to), true));
      append($$anchor2, fragment_1);
    },
    $$slots: { default: true }
  });
  pop();
}
delegate(["change", "click"]);
const SHORTEST = 2e4;
const LONGEST = 3 * 864e5;
const edges = ({ center, span: span2 }) => ({ from: center - span2 / 2, to: center + span2 / 2 });
const toX = (view2, ms2, width) => (ms2 - edges(view2).from) / view2.span * width;
const pan = (view2, dx, width) => ({ ...view2, center: view2.center - dx / width * view2.span });
const zoom = (view2, factor) => ({ ...view2, span: Math.min(LONGEST, Math.max(SHORTEST, view2.span * factor)) });
const until$1 = (view2, now) => view2.center > now ? { ...view2, center: now } : view2;
function joinSpans(spans, hole) {
  const joined2 = [];
  for (const span2 of [...spans].sort((a, b) => a.start - b.start)) {
    const last = joined2.at(-1);
    if (last && span2.start - last.end <= hole) last.end = Math.max(last.end, span2.end);
    else joined2.push({ start: span2.start, end: span2.end });
  }
  return joined2;
}
function neighbour(events, at, direction) {
  const room = 1500;
  const sorted = [...events].sort((a, b) => a.start - b.start);
  if (direction > 0) return sorted.find(({ start }) => start > at + room) ?? null;
  return sorted.filter(({ start }) => start < at - room).at(-1) ?? null;
}
const MINUTE = 6e4;
const HOUR = 60 * MINUTE;
const STEPS = [
  1e3,
  5e3,
  1e4,
  3e4,
  MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  24 * HOUR
];
function ticks(view2, width, apart, zone) {
  const { from, to } = edges(view2);
  const least = apart / width * view2.span;
  const step = STEPS.find((candidate) => candidate >= least) ?? 24 * HOUR;
  const found = [];
  for (let day2 = daySpan(from, zone); day2.from < to; day2 = daySpan(day2.to, zone)) {
    const fine = Math.min(step, HOUR);
    const first = Math.max(0, Math.floor((from - day2.from) / fine));
    for (let at = day2.from + first * fine; at < Math.min(to, day2.to); at += fine) {
      const start = at === day2.from;
      if (at < from || step > HOUR && !start && wall(at, zone).hour % (step / HOUR) !== 0) continue;
      found.push({ at, day: start });
    }
  }
  return { step, ticks: found };
}
var root$2 = /* @__PURE__ */ from_html(`<div class="timeline svelte-cfijfh"><canvas data-testid="timeline" tabindex="0" role="slider" aria-describedby="timeline-hint" class="svelte-cfijfh"></canvas> <p id="timeline-hint" class="visually-hidden"> </p></div>`);
function Timeline($$anchor, $$props) {
  push($$props, true);
  let view2 = prop($$props, "view", 15), marked = prop($$props, "marked", 3, null), scrubbing = prop($$props, "scrubbing", 15, false);
  let canvas;
  let width = /* @__PURE__ */ state(0);
  const HEIGHT = 92;
  const zone = deviceZone();
  const pointers = /* @__PURE__ */ new Map();
  let moved = 0;
  let settle = 0;
  const here = /* @__PURE__ */ user_derived(() => {
    const at = view2().center;
    const gap = $$props.data.gaps.find(({ start, end }) => start <= at && at < end);
    if ($$props.data.isRecorded(at)) return T.timeline.recorded;
    return gap ? T.timeline.missing(T.gaps[gap.reason] ?? gap.reason) : T.timeline.nothing;
  });
  user_effect(() => {
    const { from, to } = edges(view2());
    untrack(() => $$props.data.need(from, to));
  });
  let scheme = /* @__PURE__ */ state(0);
  user_effect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => set(scheme, get$1(scheme) + 1);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  });
  user_effect(() => {
    void get$1(scheme);
    const context = canvas.getContext("2d");
    if (!context || !get$1(width)) return;
    const scale = devicePixelRatio;
    canvas.width = get$1(width) * scale;
    canvas.height = HEIGHT * scale;
    context.scale(scale, scale);
    draw2(context, view2(), get$1(width));
  });
  function draw2(context, shown, wide) {
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    const { from, to } = edges(shown);
    const visible = (list) => list.filter(({ start, end }) => end >= from && start <= to);
    const bar = ({ start, end }, y, high2, least = 1) => {
      const left = Math.max(-2, toX(shown, start, wide));
      const right = Math.min(wide + 2, toX(shown, end, wide));
      context.fillRect(left, y, Math.max(least, right - left), high2);
      return { left, right };
    };
    const [top, high] = [26, 34];
    context.clearRect(0, 0, wide, HEIGHT);
    context.fillStyle = colour("--raised");
    context.fillRect(0, top, wide, high);
    context.fillStyle = colour("--recorded");
    for (const span2 of visible($$props.data.recorded)) bar(span2, top, high);
    for (const gap of visible($$props.data.gaps)) {
      context.fillStyle = colour("--bad-ground");
      const { left, right } = bar(gap, top, high);
      context.fillStyle = colour("--bad");
      context.fillRect(left, top, Math.max(1, right - left), 3);
      if (right - left > 90) {
        context.font = "12px system-ui, sans-serif";
        context.textAlign = "center";
        context.save();
        context.beginPath();
        context.rect(left + 4, top, right - left - 8, high);
        context.clip();
        context.fillText(T.gaps[gap.reason] ?? gap.reason, (Math.max(left, 0) + Math.min(right, wide)) / 2, top + 22);
        context.restore();
      }
    }
    context.fillStyle = colour("--event");
    for (const event2 of visible($$props.data.events)) bar(event2, top + high - 9, 9, 4);
    context.fillStyle = colour("--accent");
    for (const span2 of visible($$props.data.protectedSpans)) bar(span2, top - 5, 3, 3);
    if (marked()) {
      context.globalAlpha = 0.35;
      context.fillStyle = colour("--ink");
      bar(marked(), top - 6, high + 12, 2);
      context.globalAlpha = 1;
    }
    const now = toX(shown, hubNow(), wide);
    if (now < wide) {
      context.fillStyle = colour("--faint");
      context.fillRect(now, top - 6, 1, high + 12);
    }
    const { step, ticks: marks } = ticks(shown, wide, 84, zone);
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    for (const { at, day: day2 } of marks) {
      const x = toX(shown, at, wide);
      context.fillStyle = colour("--edge");
      context.fillRect(x, top + high, 1, day2 ? 10 : 6);
      context.fillStyle = colour(day2 ? "--ink" : "--faint");
      context.fillText(
        day2 ? shortDay(at) : step < 6e4 ? clockTimeSeconds(at) : clockTime(at),
        x,
        HEIGHT - 8
      );
    }
    context.fillStyle = colour("--ink");
    context.fillRect(wide / 2 - 1, 12, 2, high + 28);
    context.beginPath();
    context.arc(wide / 2, 12, 5, 0, 2 * Math.PI);
    context.fill();
  }
  const move2 = (next) => view2(until$1(next, hubNow()));
  function down(event2) {
    canvas.setPointerCapture(event2.pointerId);
    pointers.set(event2.pointerId, event2.clientX);
    if (pointers.size === 1) moved = 0;
    clearTimeout(settle);
    scrubbing(true);
  }
  function dragged(event2) {
    const before = pointers.get(event2.pointerId);
    if (before === void 0) return;
    const apart = () => {
      const [a = 0, b = 0] = [...pointers.values()];
      return Math.max(20, Math.abs(a - b));
    };
    const was = apart();
    pointers.set(event2.pointerId, event2.clientX);
    if (pointers.size === 2) {
      move2(zoom(view2(), was / apart()));
    } else {
      moved += Math.abs(event2.clientX - before);
      move2(pan(view2(), event2.clientX - before, get$1(width)));
    }
  }
  function up(event2) {
    if (!pointers.delete(event2.pointerId) || pointers.size) return;
    scrubbing(false);
    if (moved < 4 && event2.type === "pointerup") {
      const box = canvas.getBoundingClientRect();
      move2(pan(view2(), get$1(width) / 2 - (event2.clientX - box.left), get$1(width)));
    }
    $$props.settled(view2().center);
  }
  function nudge(next) {
    move2(next);
    scrubbing(true);
    clearTimeout(settle);
    settle = window.setTimeout(
      () => {
        scrubbing(false);
        $$props.settled(view2().center);
      },
      350
    );
  }
  function wheel(event2) {
    event2.preventDefault();
    const sideways = Math.abs(event2.deltaX) > Math.abs(event2.deltaY);
    if (sideways) nudge(pan(view2(), -event2.deltaX, get$1(width)));
    else move2(zoom(view2(), Math.exp(event2.deltaY / 400)));
  }
  function key2(event2) {
    const by = event2.shiftKey ? 6e4 : 5e3;
    const steps = {
      ArrowLeft: -by,
      ArrowRight: by,
      PageUp: -36e5,
      PageDown: 36e5
    };
    const step = steps[event2.key];
    if (step !== void 0) nudge({ ...view2(), center: view2().center + step });
    else if (event2.key === "End") nudge({ ...view2(), center: hubNow() });
    else if (event2.key === "+") move2(zoom(view2(), 0.5));
    else if (event2.key === "-") move2(zoom(view2(), 2));
    else return;
    event2.preventDefault();
  }
  user_effect(() => {
    canvas.addEventListener("wheel", wheel, { passive: false });
    return () => canvas.removeEventListener("wheel", wheel);
  });
  var div = root$2();
  var canvas_1 = child(div);
  set_attribute(canvas_1, "aria-valuemin", 0);
  bind_this(canvas_1, ($$value) => canvas = $$value, () => canvas);
  var p = sibling(canvas_1, 2);
  var text2 = only_child(p, true);
  template_effect(
    ($0, $1, $2, $3) => {
      set_attribute(canvas_1, "aria-label", T.timeline.label);
      set_attribute(canvas_1, "aria-valuemax", $0);
      set_attribute(canvas_1, "aria-valuenow", $1);
      set_attribute(canvas_1, "aria-valuetext", `${$2 ?? ""}, ${$3 ?? ""}, ${get$1(here) ?? ""}`);
      set_text(text2, T.timeline.hint);
    },
    [
      () => Math.round(hubNow() / 1e3),
      () => Math.round(view2().center / 1e3),
      () => longDay(view2().center),
      () => clockTimeSeconds(view2().center)
    ]
  );
  delegated("pointerdown", canvas_1, down);
  delegated("pointermove", canvas_1, dragged);
  delegated("pointerup", canvas_1, up);
  event("pointercancel", canvas_1, up);
  delegated("keydown", canvas_1, key2);
  bind_element_size(div, "clientWidth", ($$value) => set(width, $$value));
  append($$anchor, div);
  pop();
}
delegate(["pointerdown", "pointermove", "pointerup", "keydown"]);
class Boxes {
  kept = new Uint8Array(0);
  push(chunk) {
    this.kept = joined([this.kept, chunk]);
    const boxes = [];
    for (; ; ) {
      const size2 = boxSize(this.kept);
      if (size2 === null || this.kept.length < size2) return boxes;
      boxes.push({ type: ascii(this.kept, 4), bytes: this.kept.slice(0, size2) });
      this.kept = this.kept.slice(size2);
    }
  }
}
function readInit(bytes) {
  let video = null;
  const codecs = [];
  const moov = find(bytes, "moov");
  for (const trak of all(moov, "trak")) {
    const mdia = find(trak, "mdia");
    const mdhd = view(find(mdia, "mdhd"));
    const timescale = mdhd.getUint32(mdhd.getUint8(0) === 1 ? 20 : 12);
    const entries = find(find(find(mdia, "minf"), "stbl"), "stsd").subarray(8);
    const kind = ascii(entries, 4);
    const entry = entries.subarray(8, boxSize(entries) ?? entries.length);
    const visual = ["avc1", "avc3", "hvc1", "hev1", "mp4v"].includes(kind);
    const config = entry.subarray(visual ? 78 : 28);
    const codec = codecOf(kind, config);
    codecs.push(codec);
    if (!visual || video) continue;
    const tkhd = view(find(trak, "tkhd"));
    const id = tkhd.getUint32(tkhd.getUint8(0) === 1 ? 20 : 12);
    const [width, height] = [view(entry).getUint16(24), view(entry).getUint16(26)];
    const description = inner(config, kind.startsWith("avc") ? "avcC" : kind === "mp4v" ? "esds" : "hvcC");
    video = { id, codec, timescale, width, height, description: description ?? new Uint8Array(0) };
  }
  if (!video) throw new Error("there is no video track");
  return { video, codecs: codecs.join(", "), bytes };
}
function readPictures(moof, track) {
  const pictures = [];
  for (const traf of all(moof.subarray(8), "traf")) {
    const tfhd = view(find(traf, "tfhd"));
    if (tfhd.getUint32(4) !== track.id) continue;
    const defaults = trackDefaults(tfhd);
    const tfdt = view(find(traf, "tfdt"));
    let decode = tfdt.getUint8(0) === 1 ? Number(tfdt.getBigUint64(4)) : tfdt.getUint32(4);
    for (const trun of all(traf, "trun")) {
      const data = view(trun);
      const flags2 = data.getUint32(0) & 16777215;
      const count = data.getUint32(4);
      let at = 8;
      const next = (flag, otherwise) => {
        if (!(flags2 & flag)) return otherwise;
        at += 4;
        return data.getUint32(at - 4);
      };
      let offset = next(1, 0) | 0;
      const firstFlags = next(4, defaults.flags);
      for (let i = 0; i < count; i++) {
        const duration = next(256, defaults.duration);
        const size2 = next(512, defaults.size);
        const sampleFlags = next(1024, i === 0 ? firstFlags : defaults.flags);
        const composition = next(2048, 0) | 0;
        const key2 = (sampleFlags & 65536) === 0;
        pictures.push({ time: (decode + composition) / track.timescale, key: key2, offset, size: size2 });
        offset += size2;
        decode += duration;
      }
    }
  }
  return pictures;
}
function trackDefaults(tfhd) {
  const flags2 = tfhd.getUint32(0) & 16777215;
  let at = 8 + (flags2 & 1 ? 8 : 0) + (flags2 & 2 ? 4 : 0);
  const next = (flag) => {
    if (!(flags2 & flag)) return 0;
    at += 4;
    return tfhd.getUint32(at - 4);
  };
  return { duration: next(8), size: next(16), flags: next(32) };
}
function codecOf(kind, config) {
  if (kind.startsWith("avc")) {
    const avcC = inner(config, "avcC");
    return avcC ? `${kind}.${[...avcC.subarray(1, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}` : kind;
  }
  if (kind === "hvc1" || kind === "hev1") {
    const hvcC = inner(config, "hvcC");
    return hvcC ? `${kind}.${hevc(hvcC)}` : kind;
  }
  if (kind === "mp4a" || kind === "mp4v") {
    const esds = inner(config, "esds");
    const decoder = esds && decoderConfig(esds);
    if (!decoder) return kind;
    const object = decoder[0] ?? 0;
    const audio = object === 64 && decoder.length > 15 ? `.${(decoder[15] ?? 0) >> 3}` : "";
    return `${kind}.${object.toString(16).toUpperCase()}${audio}`.replace("mp4a.40.0", "mp4a.40.2");
  }
  return kind === "Opus" ? "opus" : kind;
}
function hevc(hvcC) {
  const data = view(hvcC);
  const general = data.getUint8(1);
  const space = ["", "A", "B", "C"][general >> 6] ?? "";
  let compatibility = 0;
  for (let bit = 0, from = data.getUint32(2); bit < 32; bit++) compatibility = compatibility * 2 + (from >>> bit & 1) >>> 0;
  const constraints = [...hvcC.subarray(6, 12)];
  while (constraints.length && constraints.at(-1) === 0) constraints.pop();
  const tier = general & 32 ? "H" : "L";
  return [
    `${space}${general & 31}`,
    compatibility.toString(16).toUpperCase(),
    `${tier}${data.getUint8(12)}`,
    ...constraints.map((byte) => byte.toString(16).toUpperCase())
  ].join(".");
}
function decoderConfig(esds) {
  let at = 4;
  const header = (tag) => {
    if (esds[at] !== tag) return false;
    at += 1;
    while ((esds[at] ?? 0) & 128) at += 1;
    at += 1;
    return true;
  };
  if (!header(3)) return null;
  at += 3;
  if (!header(4)) return null;
  const object = esds.subarray(at, at + 13);
  at += 13;
  if (!header(5)) return object;
  return joined([object, new Uint8Array(2), esds.subarray(at)]);
}
const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const ascii = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));
function joined(pieces) {
  const all2 = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all2.set(piece, at);
    at += piece.length;
  }
  return all2;
}
function boxSize(bytes) {
  if (bytes.length < 8) return null;
  const size2 = view(bytes).getUint32(0);
  if (size2 === 1) return bytes.length < 16 ? null : Number(view(bytes).getBigUint64(8));
  if (size2 < 8) throw new Error(`a box of ${size2} bytes`);
  return size2;
}
function all(bytes, type) {
  const found = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size2 = boxSize(bytes.subarray(at)) ?? bytes.length;
    if (ascii(bytes, at + 4) === type) found.push(bytes.subarray(at + 8, at + size2));
    at += size2;
  }
  return found;
}
const inner = (bytes, type) => all(bytes, type)[0] ?? null;
function find(bytes, type) {
  const box = inner(bytes, type);
  if (!box) throw new Error(`there is no ${type} box`);
  return box;
}
class KeyPictures {
  constructor(camera, canvas, drawn) {
    this.camera = camera;
    this.canvas = canvas;
    this.drawn = drawn;
  }
  wanted = null;
  busy = false;
  abort = new AbortController();
  stop() {
    this.wanted = null;
    this.abort.abort();
  }
  show(at) {
    this.wanted = at;
    if (!this.busy) void this.work();
  }
  async work() {
    this.busy = true;
    this.abort = new AbortController();
    while (this.wanted !== null) {
      const at = this.wanted;
      this.wanted = null;
      try {
        const found = await fetchKeyPicture(this.camera, at, this.abort.signal);
        await draw(found, this.canvas);
        if (!this.abort.signal.aborted) this.drawn(found.at);
      } catch {
        if (!this.abort.signal.aborted) this.drawn(null);
      }
    }
    this.busy = false;
  }
}
async function fetchKeyPicture(camera, at, signal) {
  const span2 = query({ from: iso(at), to: iso(at + 1) });
  const response = await request(`/api/v1/cameras/${camera}/playback.mp4${span2}`, { signal });
  const start = Date.parse(response.headers.get("keepsight-start") ?? "");
  const reader = response.body?.getReader();
  const boxes = new Boxes();
  let head2 = [];
  let init2 = null;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    for (const box of boxes.push(value)) {
      head2.push(box.bytes);
      if (box.type === "moov") {
        init2 = readInit(joined(head2));
        head2 = [];
      } else if (box.type === "mdat" && init2) {
        void reader.cancel();
        const fragment = joined(head2);
        const first = readPictures(head2[0] ?? fragment, init2.video)[0];
        if (!first) throw new Error("a fragment without a picture");
        return { at: start, init: init2, fragment, picture: fragment.subarray(first.offset, first.offset + first.size) };
      }
    }
  }
  throw new Error("there is no picture");
}
async function draw(found, canvas) {
  const { init: init2, picture } = found;
  const { codec, description } = init2.video;
  const config = { codec, description, optimizeForLatency: true };
  if ("VideoDecoder" in window && (await VideoDecoder.isConfigSupported(config)).supported) {
    await new Promise((resolve, reject) => {
      const decoder = new VideoDecoder({
        output: (frame) => {
          paint(canvas, frame, frame.displayWidth, frame.displayHeight);
          frame.close();
          resolve();
        },
        error: reject
      });
      decoder.configure(config);
      decoder.decode(new EncodedVideoChunk({ type: "key", timestamp: 0, data: picture }));
      decoder.flush().then(() => decoder.close(), reject);
    });
    return;
  }
  await drawByVideo(found, canvas);
}
async function drawByVideo({ init: init2, fragment }, canvas) {
  if (!plays(init2.codecs)) throw new Error(`no decoder for ${init2.codecs}`);
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  let close = () => {
  };
  try {
    await new Promise((resolve, reject) => {
      video.addEventListener("loadeddata", () => resolve(), { once: true });
      video.addEventListener("error", () => reject(video.error), { once: true });
      close = open(video, init2.codecs, (buffer) => buffer.appendBuffer(joined([init2.bytes, fragment])));
    });
    paint(canvas, video, video.videoWidth, video.videoHeight);
  } finally {
    close();
    video.removeAttribute("src");
    video.load();
  }
}
function paint(canvas, picture, width, height) {
  canvas.width = Math.min(width, 1280);
  canvas.height = Math.round(canvas.width * height / width);
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
}
const ASK_MS = 36e5;
const AHEAD = 15;
const KEPT = 30;
const DISK_MS = 2500;
class PlaybackPlayer {
  constructor(video, camera, told) {
    this.video = video;
    this.camera = camera;
    this.told = told;
    const { signal } = this.events;
    video.addEventListener("playing", () => this.told({ kind: "playing" }), { signal });
    video.addEventListener("waiting", () => this.overGaps(), { signal });
    this.timer = window.setInterval(() => this.overGaps(), 200);
  }
  /** Wall-clock time of media time 0, in ms. */
  base = 0;
  abort = new AbortController();
  close = () => {
  };
  buffer = null;
  /** Times at which buffered pictures are shown, seconds of media time, ascending. */
  pictures = [];
  ended = false;
  wanted = true;
  speed = 1;
  timer;
  events = new AbortController();
  stop() {
    clearInterval(this.timer);
    this.events.abort();
    this.abort.abort();
    this.close();
    this.video.removeAttribute("src");
    this.video.load();
  }
  /** The instant that is shown, ms; null before the first picture. */
  get position() {
    return this.base && this.video.readyState > 0 ? this.base + this.video.currentTime * 1e3 : null;
  }
  get playing() {
    return this.wanted;
  }
  /** Shows the instant `at` (ms), from what is there already if it is. */
  async seek(at) {
    const time2 = (at - this.base) / 1e3;
    if (this.base && this.covers(time2)) {
      this.video.currentTime = time2;
      this.follow();
      return;
    }
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.told({ kind: "loading" });
    this.buffer = null;
    this.base = 0;
    this.pictures = [];
    this.ended = false;
    try {
      await this.stream(at, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.told({ kind: "failed", problem: error instanceof Problem ? error : new Problem(0, "broken", String(error)) });
    }
  }
  play() {
    this.wanted = true;
    this.follow();
  }
  pause() {
    this.wanted = false;
    this.follow();
    this.told({ kind: "paused" });
  }
  set rate(rate) {
    this.speed = rate;
    this.video.playbackRate = rate;
  }
  /** Shows the next picture (1) or the one before (-1). */
  async step(direction) {
    if (this.wanted) this.pause();
    const now = this.video.currentTime + 5e-4;
    const shown = this.pictures.findLastIndex((time2) => time2 <= now);
    const next = this.pictures[shown + direction];
    if (next !== void 0) this.video.currentTime = next + 5e-4;
    else if (direction < 0) await this.seek(this.base + this.video.currentTime * 1e3 - 1e3);
  }
  follow() {
    this.video.playbackRate = this.speed;
    if (!this.wanted) this.video.pause();
    else if (this.video.paused) void this.video.play().catch(() => {
    });
  }
  covers(time2) {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (time2 >= buffered.start(i) - 0.05 && time2 < buffered.end(i)) return true;
    }
    return false;
  }
  /** At the end of what is buffered: on to what is buffered next, or to the end. */
  overGaps() {
    const { video } = this;
    const { buffered } = video;
    if (!this.base || !buffered.length || this.covers(video.currentTime + 0.1)) return;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) > video.currentTime) {
        video.currentTime = buffered.start(i) + 1e-3;
        return;
      }
    }
    if (this.ended) this.told({ kind: "over" });
  }
  /** Fetches from an instant on, stretch by stretch, as far ahead as is needed. */
  async stream(from, signal) {
    let codecs = "";
    let at = from;
    while (!signal.aborted) {
      const to = Math.min(at + ASK_MS, hubNow());
      if (to - at < 1) break;
      const response = await this.ask(at, to, signal);
      if (response) {
        const changed = await this.take(response, codecs, signal);
        if (signal.aborted) return;
        if (changed.other) {
          await this.shown(signal);
          if (!signal.aborted) await this.seek(changed.start);
          return;
        }
        codecs = changed.codecs;
      }
      const next = Date.parse(response?.headers.get("keepsight-next") ?? "") || to;
      if (next >= hubNow() - DISK_MS) break;
      at = Math.max(next, at + 1);
    }
    this.ended = true;
    if (!this.base && !signal.aborted) this.told({ kind: "over" });
  }
  /** The footage of a span, or null if there is none. */
  async ask(from, to, signal) {
    try {
      const path = `/api/v1/cameras/${this.camera}/playback.mp4${query({ from: iso(from), to: iso(to) })}`;
      return await request(path, { signal });
    } catch (error) {
      if (error instanceof Problem && error.code === "no-footage") return null;
      throw error;
    }
  }
  /** Appends one stretch. */
  async take(response, codecs, signal) {
    const start = Date.parse(response.headers.get("keepsight-start") ?? "");
    const reader = response.body?.getReader();
    if (!reader) return { codecs, start, other: false };
    const boxes = new Boxes();
    let head2 = [];
    let init2 = null;
    const offset = this.base ? (start - this.base) / 1e3 : 0;
    for (; ; ) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      for (const box of boxes.push(value)) {
        head2.push(box.bytes);
        if (box.type === "moov") {
          init2 = readInit(joined(head2));
          if (!plays(init2.codecs)) {
            void reader.cancel();
            this.told({ kind: "unsupported", codecs: init2.codecs });
            throw new DOMException("unsupported", "AbortError");
          }
          if (codecs && codecs !== init2.codecs) {
            void reader.cancel();
            return { codecs, start, other: true };
          }
          if (!this.base) await this.begin(start, init2.codecs, signal);
          if (this.buffer && this.buffer.timestampOffset !== offset) this.buffer.timestampOffset = offset;
          await this.append(init2.bytes, signal);
          head2 = [];
        } else if (box.type === "mdat" && init2) {
          const pictures = readPictures(head2[0] ?? new Uint8Array(0), init2.video);
          await this.append(joined(head2), signal);
          this.remember(pictures.map((picture) => picture.time + offset));
          head2 = [];
        } else if (box.type !== "moof" && init2) {
          head2.pop();
        }
        if (signal.aborted) return { codecs, start, other: false };
      }
      await this.ahead(signal);
    }
    return { codecs: init2?.codecs ?? codecs, start, other: false };
  }
  begin(start, codecs, signal) {
    this.close();
    return new Promise((resolve) => {
      this.close = open(this.video, codecs, (buffer) => {
        if (!signal.aborted) {
          this.buffer = buffer;
          this.base = start;
        }
        resolve();
      });
      this.follow();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
  async append(bytes, signal) {
    const buffer = this.buffer;
    if (!buffer || signal.aborted) return;
    const { buffered } = buffer;
    const old = this.video.currentTime - KEPT;
    if (buffered.length && buffered.start(0) < old - KEPT) {
      buffer.remove(0, old);
      await idle(buffer);
      this.pictures = this.pictures.filter((time2) => time2 >= old);
    }
    buffer.appendBuffer(bytes);
    await idle(buffer);
  }
  remember(times) {
    this.pictures = [.../* @__PURE__ */ new Set([...this.pictures, ...times])].sort((a, b) => a - b);
  }
  /** Waits while enough is fetched ahead. */
  async ahead(signal) {
    const enough = () => {
      const { buffered, currentTime } = this.video;
      let have = 0;
      for (let i = 0; i < buffered.length; i++) {
        have += Math.max(0, buffered.end(i) - Math.max(buffered.start(i), currentTime));
      }
      return have > AHEAD * Math.max(1, this.speed);
    };
    await until(() => !enough(), signal);
  }
  shown(signal) {
    return until(() => {
      const { buffered, currentTime } = this.video;
      return !buffered.length || currentTime >= buffered.end(buffered.length - 1) - 0.2;
    }, signal);
  }
}
async function until(so, signal) {
  while (!so() && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 100));
}
function idle(buffer) {
  if (!buffer.updating) return Promise.resolve();
  return new Promise((resolve, reject) => {
    buffer.addEventListener("updateend", () => resolve(), { once: true });
    buffer.addEventListener("error", () => reject(new Error("the browser could not take the film")), { once: true });
  });
}
const BLOCK = 4 * 36e5;
const FRESH_MS = 5e3;
const HOLE = 1e3;
const span = ({ start, end }) => ({ start: Date.parse(start), end: Date.parse(end) });
class TimelineData {
  constructor(camera) {
    this.camera = camera;
    void this.loadProtected();
  }
  blocks = /* @__PURE__ */ new Map();
  asked = /* @__PURE__ */ new Set();
  #recorded = (
    /** All that was loaded, in order. */
    /* @__PURE__ */ state([])
  );
  get recorded() {
    return get$1(this.#recorded);
  }
  set recorded(value) {
    set(this.#recorded, value);
  }
  #gaps = /* @__PURE__ */ state([]);
  get gaps() {
    return get$1(this.#gaps);
  }
  set gaps(value) {
    set(this.#gaps, value);
  }
  #events = /* @__PURE__ */ state([]);
  get events() {
    return get$1(this.#events);
  }
  set events(value) {
    set(this.#events, value);
  }
  #protectedSpans = /* @__PURE__ */ state([]);
  get protectedSpans() {
    return get$1(this.#protectedSpans);
  }
  set protectedSpans(value) {
    set(this.#protectedSpans, value);
  }
  #problem = /* @__PURE__ */ state(null);
  get problem() {
    return get$1(this.#problem);
  }
  set problem(value) {
    set(this.#problem, value);
  }
  need(from, to) {
    const now = hubNow();
    for (let at = Math.floor(from / BLOCK) * BLOCK; at < Math.min(to, now); at += BLOCK) {
      const block2 = this.blocks.get(at);
      const stale = block2 && block2.loaded < at + BLOCK + 6e4 && now - block2.loaded > FRESH_MS;
      if ((!block2 || stale) && !this.asked.has(at)) void this.load(at, now);
    }
  }
  /** When a camera was recorded first, of what was loaded, and whether an instant is known to be recorded. */
  isRecorded(at) {
    return this.recorded.some(({ start, end }) => start <= at && at < end);
  }
  async loadProtected() {
    try {
      const spans = await get(`/cameras/${this.camera}/protected`);
      this.protectedSpans = spans.map(({ from, to }) => ({ start: Date.parse(from), end: Date.parse(to) }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
  async load(at, now) {
    this.asked.add(at);
    try {
      const answer = await get(`/cameras/${this.camera}/timeline${query({ from: iso(at), to: iso(at + BLOCK) })}`);
      this.blocks.set(at, {
        at,
        loaded: now,
        segments: joinSpans(answer.segments.map(span), HOLE),
        gaps: answer.gaps.map((gap) => ({ ...span(gap), reason: gap.reason })),
        events: answer.events.map((event2) => ({ ...span(event2), id: event2.id, kind: event2.kind }))
      });
      this.problem = null;
      this.merge();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    } finally {
      setTimeout(() => this.asked.delete(at), this.problem ? FRESH_MS : 0);
    }
  }
  merge() {
    const blocks = [...this.blocks.values()].sort((a, b) => a.at - b.at);
    this.recorded = joinSpans(blocks.flatMap(({ segments }) => segments), HOLE);
    this.gaps = blocks.flatMap(({ gaps }) => gaps);
    const events = new Map(blocks.flatMap(({ events: events2 }) => events2.map((event2) => [event2.id, event2])));
    this.events = [...events.values()].sort((a, b) => a.start - b.start);
  }
}
var root$1 = /* @__PURE__ */ from_html(`<p> </p>`);
var root_1$1 = /* @__PURE__ */ from_html(`<a class="button icon"><!></a>`);
var root_2$1 = /* @__PURE__ */ from_html(`<p class="over svelte-1palerw" role="status"> </p>`);
var root_3 = /* @__PURE__ */ from_html(`<video data-kind="playback" playsinline="" class="svelte-1palerw"></video> <!>`, 3);
var root_4 = /* @__PURE__ */ from_html(`<p class="over svelte-1palerw"> </p>`);
var root_5 = /* @__PURE__ */ from_html(`<button class="icon svelte-1palerw"><!></button>`);
var root_6 = /* @__PURE__ */ from_html(`<strong class="now svelte-1palerw"><span class="tone bad"></span> </strong>`);
var root_7 = /* @__PURE__ */ from_html(`<strong data-testid="clock" class="svelte-1palerw"> </strong>`);
var root_8 = /* @__PURE__ */ from_html(`<button class="plain" data-testid="to-live"> </button>`);
var root_9 = /* @__PURE__ */ from_html(`<option> </option>`);
var root_10 = /* @__PURE__ */ from_html(`<button data-testid="keep"><!> </button>`);
var root_11 = /* @__PURE__ */ from_html(`<div class="clock svelte-1palerw"><!> <span class="svelte-1palerw"> </span> <!></div> <!> <div class="zoom svelte-1palerw"><button class="icon"><!></button> <span class="days svelte-1palerw"><button class="icon"><!></button> <input type="date" class="svelte-1palerw"/> <button class="icon"><!></button></span> <button class="icon"><!></button></div> <div class="controls svelte-1palerw" role="group"><button class="icon svelte-1palerw"><!></button> <button class="icon svelte-1palerw"><!></button> <button class="big svelte-1palerw" data-testid="toggle"><!></button> <button class="icon svelte-1palerw"><!></button> <button class="icon svelte-1palerw"><!></button></div> <p class="said svelte-1palerw" role="status"> </p> <div class="extras svelte-1palerw"><label class="speed svelte-1palerw"><span> </span> <select class="svelte-1palerw"></select></label> <!></div>`, 1);
var root_12 = /* @__PURE__ */ from_html(`<p class="hint svelte-1palerw"> </p>`);
var root_13 = /* @__PURE__ */ from_html(`<div class="watch svelte-1palerw"><div class="top svelte-1palerw"><a class="button back" href="#/"><!></a> <h1 tabindex="-1"> </h1> <span class="status svelte-1palerw"><span></span><small> </small></span> <!></div> <div class="stage svelte-1palerw"><!> <canvas class="still svelte-1palerw" data-testid="still" aria-hidden="true"></canvas> <!> <div class="corner svelte-1palerw"><button class="icon svelte-1palerw"><!></button> <!></div></div> <!></div> <!>`, 1);
function Watch($$anchor, $$props) {
  push($$props, true);
  const SPEEDS = [0.5, 1, 2, 4, 8];
  const LIVE_MS = 4e3;
  const zone = deviceZone();
  const data = new TimelineData($$props.id);
  const camera = /* @__PURE__ */ user_derived(() => hub.camera($$props.id));
  const mayLive = /* @__PURE__ */ user_derived(() => hub.may($$props.id, "live"));
  const mayBack = /* @__PURE__ */ user_derived(() => hub.may($$props.id, "playback"));
  const mayExport = /* @__PURE__ */ user_derived(() => hub.may($$props.id, "export"));
  let mode = /* @__PURE__ */ state("live");
  let view2 = /* @__PURE__ */ state({ center: hubNow(), span: 30 * 6e4 });
  let scrubbing = /* @__PURE__ */ state(false);
  let still = /* @__PURE__ */ state("none");
  let muted = /* @__PURE__ */ state(true);
  let speed = /* @__PURE__ */ state(1);
  let playing = /* @__PURE__ */ state(true);
  let shown = /* @__PURE__ */ state({ kind: "loading" });
  let sheet = /* @__PURE__ */ state(false);
  let marked = /* @__PURE__ */ state(null);
  let said = /* @__PURE__ */ state("");
  let stage = /* @__PURE__ */ state(void 0);
  let video = /* @__PURE__ */ state(void 0);
  let canvas = /* @__PURE__ */ state(void 0);
  let player = null;
  let pictures = null;
  const note = /* @__PURE__ */ user_derived(() => {
    if (get$1(mode) === "live") return "";
    if (get$1(shown).kind === "loading") return T.watch.loading;
    if (get$1(shown).kind === "over") return T.watch.over;
    if (get$1(shown).kind === "unsupported") return T.watch.unsupported(get$1(shown).codecs);
    if (get$1(shown).kind === "failed") return get$1(shown).problem.message;
    return "";
  });
  const today = /* @__PURE__ */ user_derived(() => dayText(wall(hubNow(), zone)));
  user_effect(() => {
    const when = $$props.at ? Date.parse($$props.at) : NaN;
    const only = !get$1(mayLive) && get$1(mayBack);
    untrack(() => {
      if (Number.isFinite(when)) goTo(when);
      else if (only) goTo(hubNow() - 6e4);
    });
  });
  user_effect(() => {
    let frame = 0;
    const follow = () => {
      if (!get$1(scrubbing)) {
        const needle = get$1(mode) === "live" ? hubNow() : player?.position ?? get$1(view2).center;
        if (Math.abs(needle - get$1(view2).center) > get$1(view2).span / 2e3) set(view2, { ...get$1(view2), center: needle });
      }
      frame = requestAnimationFrame(follow);
    };
    frame = requestAnimationFrame(follow);
    return () => cancelAnimationFrame(frame);
  });
  user_effect(() => {
    if (!get$1(canvas) || !get$1(mayBack)) return;
    pictures = new KeyPictures($$props.id, get$1(canvas), (drawn) => set(still, drawn === null ? "missing" : "drawn", true));
    return () => pictures?.stop();
  });
  user_effect(() => {
    if (get$1(scrubbing) && hubNow() - get$1(view2).center > LIVE_MS) pictures?.show(get$1(view2).center);
  });
  user_effect(() => {
    if (get$1(mode) !== "back" || !get$1(video)) return;
    const made = new PlaybackPlayer(get$1(video), $$props.id, (now) => {
      set(shown, now);
      if (now.kind === "playing") set(still, "none");
      if (now.kind === "playing" || now.kind === "paused") set(playing, made.playing, true);
    });
    player = made;
    untrack(() => {
      made.rate = get$1(speed);
      void made.seek(get$1(view2).center);
    });
    return () => {
      made.stop();
      player = null;
    };
  });
  function goTo(when) {
    if (!get$1(mayBack)) return;
    set(said, "");
    if (when >= hubNow() - LIVE_MS && get$1(mayLive)) {
      toLive();
      return;
    }
    set(view2, { ...get$1(view2), center: when });
    if (get$1(mode) === "live") {
      set(shown, { kind: "loading" });
      set(mode, "back");
    } else {
      void player?.seek(when);
    }
  }
  function toLive() {
    set(mode, "live");
    set(still, "none");
    set(view2, { ...get$1(view2), center: hubNow() });
  }
  function toggle() {
    if (get$1(mode) === "live") {
      goTo(hubNow() - LIVE_MS - 1e3);
    } else if (player?.playing) {
      player.pause();
      set(playing, false);
    } else {
      player?.play();
      set(playing, true);
    }
  }
  function step(direction) {
    if (get$1(mode) === "live") goTo(hubNow() - LIVE_MS - 1e3);
    else void player?.step(direction);
    set(playing, false);
    set(still, "none");
  }
  function toEvent(direction) {
    const found = neighbour(data.events, get$1(view2).center, direction);
    set(said, "");
    if (found) goTo(found.start);
    else set(said, T.watch.noEvent, true);
  }
  function setSpeed(to) {
    set(speed, to, true);
    if (player) player.rate = to;
  }
  function toDay(text2) {
    const day2 = parseDay(text2);
    if (day2) goTo(Math.min(onDay(get$1(view2).center, day2, zone), hubNow()));
  }
  function otherDay(by) {
    goTo(Math.min(onDay(get$1(view2).center, plusDays(wall(get$1(view2).center, zone), by), zone), hubNow()));
  }
  async function full() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await get$1(stage)?.requestFullscreen?.();
  }
  function keys(event2) {
    if (event2.target instanceof HTMLElement && event2.target.closest("input, select, textarea, button, a, dialog, canvas")) return;
    if (event2.key === " ") toggle();
    else if (event2.key === ".") step(1);
    else if (event2.key === ",") step(-1);
    else return;
    event2.preventDefault();
  }
  var fragment = comment();
  event("keydown", $window, keys);
  head("1palerw", ($$anchor2) => {
    deferred_template_effect(() => {
      $document.title = `${get$1(camera)?.name ?? T.cameras.edit ?? ""} · ${T.app}`;
    });
  });
  var node = first_child(fragment);
  {
    var consequent = ($$anchor2) => {
      Page($$anchor2, {
        get title() {
          return T.cameras.edit;
        },
        back: "#/",
        children: ($$anchor3, $$slotProps) => {
          var p = root$1();
          var text_1 = only_child(p, true);
          template_effect(() => set_text(text_1, T.watch.gone));
          append($$anchor3, p);
        },
        $$slots: { default: true }
      });
    };
    var alternate_3 = ($$anchor2) => {
      var fragment_2 = root_13();
      var div = first_child(fragment_2);
      var div_1 = child(div);
      var a = child(div_1);
      var node_1 = child(a);
      Icon(node_1, { name: "back" });
      var h1 = sibling(a, 2);
      var text_2 = only_child(h1, true);
      var span2 = sibling(h1, 2);
      var span_1 = child(span2);
      var small = sibling(span_1);
      var text_3 = only_child(small, true);
      var node_2 = sibling(span2, 2);
      {
        var consequent_1 = ($$anchor3) => {
          var a_1 = root_1$1();
          var node_3 = child(a_1);
          Icon(node_3, { name: "settings" });
          template_effect(() => {
            set_attribute(a_1, "href", `#/cameras/${$$props.id ?? ""}`);
            set_attribute(a_1, "aria-label", T.watch.settings);
          });
          append($$anchor3, a_1);
        };
        var d = /* @__PURE__ */ user_derived(() => hub.may($$props.id, "manage"));
        if_block(node_2, ($$render) => {
          if (get$1(d)) $$render(consequent_1);
        });
      }
      var div_2 = sibling(div_1, 2);
      let styles;
      var node_4 = child(div_2);
      {
        var consequent_2 = ($$anchor3) => {
          LiveVideo($$anchor3, {
            get camera() {
              return get$1(camera);
            },
            prefer: "main",
            get muted() {
              return get$1(muted);
            }
          });
        };
        var consequent_4 = ($$anchor3) => {
          var fragment_4 = root_3();
          var video_1 = first_child(fragment_4);
          bind_this(video_1, ($$value) => set(video, $$value), () => get$1(video));
          var node_5 = sibling(video_1, 2);
          {
            var consequent_3 = ($$anchor4) => {
              var p_1 = root_2$1();
              var text_4 = only_child(p_1, true);
              template_effect(() => set_text(text_4, get$1(note)));
              append($$anchor4, p_1);
            };
            if_block(node_5, ($$render) => {
              if (get$1(note)) $$render(consequent_3);
            });
          }
          template_effect(() => {
            video_1.muted = get$1(muted);
            set_attribute(video_1, "data-camera", $$props.id);
            set_attribute(video_1, "data-state", get$1(shown).kind);
            set_attribute(video_1, "aria-label", get$1(camera).name);
          });
          append($$anchor3, fragment_4);
        };
        var alternate = ($$anchor3) => {
          var p_2 = root_4();
          var text_5 = only_child(p_2, true);
          template_effect(() => set_text(text_5, T.watch.noLive));
          append($$anchor3, p_2);
        };
        if_block(node_4, ($$render) => {
          if (get$1(mode) === "live" && get$1(mayLive)) $$render(consequent_2);
          else if (get$1(mode) === "back") $$render(consequent_4, 1);
          else $$render(alternate, -1);
        });
      }
      var canvas_1 = sibling(node_4, 2);
      bind_this(canvas_1, ($$value) => set(canvas, $$value), () => get$1(canvas));
      var node_6 = sibling(canvas_1, 2);
      {
        var consequent_5 = ($$anchor3) => {
          var p_3 = root_4();
          var text_6 = only_child(p_3, true);
          template_effect(() => set_text(text_6, T.watch.noPicture));
          append($$anchor3, p_3);
        };
        if_block(node_6, ($$render) => {
          if (get$1(scrubbing) && get$1(still) === "missing") $$render(consequent_5);
        });
      }
      var div_3 = sibling(node_6, 2);
      var button = child(div_3);
      var node_7 = child(button);
      {
        let $0 = /* @__PURE__ */ user_derived(() => get$1(muted) ? "soundOff" : "soundOn");
        Icon(node_7, {
          get name() {
            return get$1($0);
          }
        });
      }
      var node_8 = sibling(button, 2);
      {
        var consequent_6 = ($$anchor3) => {
          var button_1 = root_5();
          var node_9 = child(button_1);
          Icon(node_9, { name: "full" });
          template_effect(() => set_attribute(button_1, "aria-label", T.watch.full));
          delegated("click", button_1, full);
          append($$anchor3, button_1);
        };
        if_block(node_8, ($$render) => {
          if (document.fullscreenEnabled) $$render(consequent_6);
        });
      }
      bind_this(div_2, ($$value) => set(stage, $$value), () => get$1(stage));
      var node_10 = sibling(div_2, 2);
      {
        var consequent_10 = ($$anchor3) => {
          var fragment_5 = root_11();
          var div_4 = first_child(fragment_5);
          var node_11 = child(div_4);
          {
            var consequent_7 = ($$anchor4) => {
              var strong = root_6();
              var text_7 = sibling(child(strong), 1, true);
              template_effect(() => set_text(text_7, T.watch.live));
              append($$anchor4, strong);
            };
            var alternate_1 = ($$anchor4) => {
              var strong_1 = root_7();
              var text_8 = only_child(strong_1, true);
              template_effect(($0) => set_text(text_8, $0), [() => clockTimeSeconds(get$1(view2).center)]);
              append($$anchor4, strong_1);
            };
            if_block(node_11, ($$render) => {
              if (get$1(mode) === "live" && !get$1(scrubbing)) $$render(consequent_7);
              else $$render(alternate_1, -1);
            });
          }
          var span_2 = sibling(node_11, 2);
          var text_9 = only_child(span_2, true);
          var node_12 = sibling(span_2, 2);
          {
            var consequent_8 = ($$anchor4) => {
              var button_2 = root_8();
              var text_10 = only_child(button_2, true);
              template_effect(() => set_text(text_10, T.watch.toLive));
              delegated("click", button_2, toLive);
              append($$anchor4, button_2);
            };
            if_block(node_12, ($$render) => {
              if (get$1(mode) === "back" && get$1(mayLive)) $$render(consequent_8);
            });
          }
          var node_13 = sibling(div_4, 2);
          Timeline(node_13, {
            get data() {
              return data;
            },
            get marked() {
              return get$1(marked);
            },
            settled: goTo,
            get view() {
              return get$1(view2);
            },
            set view($$value) {
              set(view2, $$value);
            },
            get scrubbing() {
              return get$1(scrubbing);
            },
            set scrubbing($$value) {
              set(scrubbing, $$value, true);
            }
          });
          var div_5 = sibling(node_13, 2);
          var button_3 = child(div_5);
          var node_14 = child(button_3);
          Icon(node_14, { name: "minus" });
          var span_3 = sibling(button_3, 2);
          var button_4 = child(span_3);
          var node_15 = child(button_4);
          Icon(node_15, { name: "back" });
          var input = sibling(button_4, 2);
          var button_5 = sibling(input, 2);
          var node_16 = child(button_5);
          Icon(node_16, { name: "forward" });
          var button_6 = sibling(span_3, 2);
          var node_17 = child(button_6);
          Icon(node_17, { name: "plus" });
          var div_6 = sibling(div_5, 2);
          var button_7 = child(div_6);
          var node_18 = child(button_7);
          Icon(node_18, { name: "eventBack" });
          var button_8 = sibling(button_7, 2);
          var node_19 = child(button_8);
          Icon(node_19, { name: "stepBack" });
          var button_9 = sibling(button_8, 2);
          var node_20 = child(button_9);
          {
            let $0 = /* @__PURE__ */ user_derived(() => get$1(mode) === "live" || get$1(playing) ? "pause" : "play");
            Icon(node_20, {
              get name() {
                return get$1($0);
              },
              size: 30
            });
          }
          var button_10 = sibling(button_9, 2);
          var node_21 = child(button_10);
          Icon(node_21, { name: "stepForward" });
          var button_11 = sibling(button_10, 2);
          var node_22 = child(button_11);
          Icon(node_22, { name: "eventNext" });
          var p_4 = sibling(div_6, 2);
          var text_11 = only_child(p_4, true);
          var div_7 = sibling(p_4, 2);
          var label = child(div_7);
          var span_4 = child(label);
          var text_12 = only_child(span_4, true);
          var select = sibling(span_4, 2);
          each(select, 20, () => SPEEDS, (value) => value, ($$anchor4, value) => {
            var option = root_9();
            var text_13 = only_child(option, true);
            var option_value = {};
            template_effect(
              ($0) => {
                set_text(text_13, $0);
                if (option_value !== (option_value = value)) {
                  option.value = (option.__value = option_value) ?? "";
                }
              },
              [() => T.watch.times(value)]
            );
            append($$anchor4, option);
          });
          var select_value;
          init_select(select);
          var node_23 = sibling(label, 2);
          {
            var consequent_9 = ($$anchor4) => {
              var button_12 = root_10();
              var node_24 = child(button_12);
              Icon(node_24, { name: "save" });
              var text_14 = sibling(node_24, 1, true);
              template_effect(() => set_text(text_14, T.watch.keep));
              delegated("click", button_12, () => set(sheet, true));
              append($$anchor4, button_12);
            };
            if_block(node_23, ($$render) => {
              if (get$1(mayExport) || hub.owner) $$render(consequent_9);
            });
          }
          template_effect(
            ($0, $1) => {
              set_text(text_9, $0);
              set_attribute(button_3, "aria-label", T.timeline.zoomOut);
              set_attribute(button_4, "aria-label", `${T.watch.day} −1`);
              set_attribute(input, "aria-label", T.watch.day);
              set_attribute(input, "max", get$1(today));
              set_value(input, $1);
              set_attribute(button_5, "aria-label", `${T.watch.day} +1`);
              set_attribute(button_6, "aria-label", T.timeline.zoomIn);
              set_attribute(div_6, "aria-label", T.watch.play);
              set_attribute(button_7, "aria-label", T.watch.previousEvent);
              set_attribute(button_8, "aria-label", T.watch.previous);
              set_attribute(button_9, "aria-label", get$1(mode) === "live" || get$1(playing) ? T.watch.pause : T.watch.play);
              set_attribute(button_10, "aria-label", T.watch.next);
              set_attribute(button_11, "aria-label", T.watch.nextEvent);
              set_text(text_11, get$1(said));
              set_text(text_12, T.watch.speed);
              select.disabled = get$1(mode) === "live";
              if (select_value !== (select_value = get$1(speed))) {
                select.value = (select.__value = select_value) ?? "", select_option(select, select_value);
              }
            },
            [
              () => shortDay(get$1(view2).center),
              () => dayText(wall(get$1(view2).center, zone))
            ]
          );
          delegated("click", button_3, () => set(view2, zoom(get$1(view2), 2)));
          delegated("click", button_4, () => otherDay(-1));
          delegated("change", input, (event2) => toDay(event2.currentTarget.value));
          delegated("click", button_5, () => otherDay(1));
          delegated("click", button_6, () => set(view2, zoom(get$1(view2), 0.5)));
          delegated("click", button_7, () => toEvent(-1));
          delegated("click", button_8, () => step(-1));
          delegated("click", button_9, toggle);
          delegated("click", button_10, () => step(1));
          delegated("click", button_11, () => toEvent(1));
          delegated("change", select, (event2) => setSpeed(Number(event2.currentTarget.value)));
          append($$anchor3, fragment_5);
        };
        var alternate_2 = ($$anchor3) => {
          var p_5 = root_12();
          var text_15 = only_child(p_5, true);
          template_effect(() => set_text(text_15, T.watch.noPlayback));
          append($$anchor3, p_5);
        };
        if_block(node_10, ($$render) => {
          if (get$1(mayBack)) $$render(consequent_10);
          else $$render(alternate_2, -1);
        });
      }
      var node_25 = sibling(div, 2);
      {
        var consequent_11 = ($$anchor3) => {
          Keep($$anchor3, {
            get camera() {
              return get$1(camera);
            },
            get data() {
              return data;
            },
            get around() {
              return get$1(view2).center;
            },
            close: () => {
              set(sheet, false);
              set(marked, null);
            },
            get marked() {
              return get$1(marked);
            },
            set marked($$value) {
              set(marked, $$value);
            }
          });
        };
        if_block(node_25, ($$render) => {
          if (get$1(sheet)) $$render(consequent_11);
        });
      }
      template_effect(
        ($0) => {
          set_attribute(a, "aria-label", T.back);
          set_text(text_2, get$1(camera).name);
          set_class(span_1, 1, `tone ${$0 ?? ""}`, "svelte-1palerw");
          set_text(text_3, T.states[get$1(camera).state] ?? get$1(camera).state);
          styles = set_style(div_2, "", styles, {
            "aspect-ratio": get$1(camera).width && get$1(camera).height ? get$1(camera).width / get$1(camera).height : 16 / 9
          });
          set_attribute(canvas_1, "hidden", get$1(still) !== "drawn");
          set_attribute(button, "aria-label", get$1(muted) ? T.watch.soundOn : T.watch.soundOff);
          set_attribute(button, "aria-pressed", !get$1(muted));
        },
        [() => toneOf(get$1(camera))]
      );
      delegated("click", button, () => set(muted, !get$1(muted)));
      append($$anchor2, fragment_2);
    };
    if_block(node, ($$render) => {
      if (!get$1(camera)) $$render(consequent);
      else $$render(alternate_3, -1);
    });
  }
  append($$anchor, fragment);
  pop();
}
delegate(["click", "change"]);
var root = /* @__PURE__ */ from_html(`<p class="empty svelte-1n46o8q" role="status"> </p>`);
var root_1 = /* @__PURE__ */ from_html(`<p class="away svelte-1n46o8q" role="status"> </p>`);
var root_2 = /* @__PURE__ */ from_html(`<a class="skip svelte-1n46o8q" href="#content"> </a> <!> <main tabindex="-1"><!></main> <!>`, 1);
function App($$anchor, $$props) {
  push($$props, true);
  const at = /* @__PURE__ */ user_derived(() => router.parts);
  const open2 = /* @__PURE__ */ user_derived(() => ["claim", "invitation", "recover"].includes(router.screen));
  void hub.refresh();
  var fragment = comment();
  var node = first_child(fragment);
  {
    var consequent_2 = ($$anchor2) => {
      var fragment_1 = comment();
      var node_1 = first_child(fragment_1);
      {
        var consequent = ($$anchor3) => {
          Claim($$anchor3, {});
        };
        var consequent_1 = ($$anchor3) => {
          Invitation($$anchor3, {});
        };
        var alternate = ($$anchor3) => {
          Recover($$anchor3, {});
        };
        if_block(node_1, ($$render) => {
          if (router.screen === "claim") $$render(consequent);
          else if (router.screen === "invitation") $$render(consequent_1, 1);
          else $$render(alternate, -1);
        });
      }
      append($$anchor2, fragment_1);
    };
    var consequent_4 = ($$anchor2) => {
      var fragment_5 = comment();
      var node_2 = first_child(fragment_5);
      {
        var consequent_3 = ($$anchor3) => {
          var p = root();
          var text2 = only_child(p, true);
          template_effect(() => set_text(text2, T.loading));
          append($$anchor3, p);
        };
        var alternate_1 = ($$anchor3) => {
          Unreachable($$anchor3, {});
        };
        if_block(node_2, ($$render) => {
          if (hub.reachable) $$render(consequent_3);
          else $$render(alternate_1, -1);
        });
      }
      append($$anchor2, fragment_5);
    };
    var consequent_5 = ($$anchor2) => {
      SignIn($$anchor2, {});
    };
    var alternate_3 = ($$anchor2) => {
      var fragment_8 = root_2();
      var a = first_child(fragment_8);
      var text_1 = only_child(a, true);
      var node_3 = sibling(a, 2);
      {
        var consequent_6 = ($$anchor3) => {
          var p_1 = root_1();
          var text_2 = only_child(p_1, true);
          template_effect(() => set_text(text_2, T.unreachable.banner));
          append($$anchor3, p_1);
        };
        if_block(node_3, ($$render) => {
          if (!hub.reachable) $$render(consequent_6);
        });
      }
      var main = sibling(node_3, 2);
      var node_4 = child(main);
      key(node_4, () => get$1(at).slice(0, 2).join("/"), ($$anchor3) => {
        var fragment_9 = comment();
        var node_5 = first_child(fragment_9);
        {
          var consequent_7 = ($$anchor4) => {
            Live($$anchor4, {});
          };
          var consequent_8 = ($$anchor4) => {
            {
              let $0 = /* @__PURE__ */ user_derived(() => get$1(at)[1] ?? "");
              let $1 = /* @__PURE__ */ user_derived(() => get$1(at)[2] === "at" ? get$1(at)[3] ?? null : null);
              Watch($$anchor4, {
                get id() {
                  return get$1($0);
                },
                get at() {
                  return get$1($1);
                }
              });
            }
          };
          var consequent_9 = ($$anchor4) => {
            Events($$anchor4, {});
          };
          var consequent_10 = ($$anchor4) => {
            Settings($$anchor4, {});
          };
          var consequent_11 = ($$anchor4) => {
            Account($$anchor4, {});
          };
          var consequent_12 = ($$anchor4) => {
            CameraEdit($$anchor4, {
              get id() {
                return get$1(at)[1];
              }
            });
          };
          var consequent_13 = ($$anchor4) => {
            Cameras($$anchor4, {});
          };
          var consequent_14 = ($$anchor4) => {
            Invite($$anchor4, {});
          };
          var consequent_15 = ($$anchor4) => {
            Person($$anchor4, {
              get id() {
                return get$1(at)[1];
              }
            });
          };
          var consequent_16 = ($$anchor4) => {
            People($$anchor4, {});
          };
          var consequent_17 = ($$anchor4) => {
            Tokens($$anchor4, {});
          };
          var consequent_18 = ($$anchor4) => {
            Storage($$anchor4, {});
          };
          var consequent_19 = ($$anchor4) => {
            Health($$anchor4, {});
          };
          var consequent_20 = ($$anchor4) => {
            Audit($$anchor4, {});
          };
          var consequent_21 = ($$anchor4) => {
            NewKit($$anchor4, {});
          };
          var alternate_2 = ($$anchor4) => {
            Live($$anchor4, {});
          };
          if_block(node_5, ($$render) => {
            if (get$1(at)[0] === void 0) $$render(consequent_7);
            else if (get$1(at)[0] === "camera") $$render(consequent_8, 1);
            else if (get$1(at)[0] === "events") $$render(consequent_9, 2);
            else if (get$1(at)[0] === "settings") $$render(consequent_10, 3);
            else if (get$1(at)[0] === "account") $$render(consequent_11, 4);
            else if (get$1(at)[0] === "cameras" && get$1(at)[1]) $$render(consequent_12, 5);
            else if (get$1(at)[0] === "cameras") $$render(consequent_13, 6);
            else if (get$1(at)[0] === "people" && get$1(at)[1] === "invite") $$render(consequent_14, 7);
            else if (get$1(at)[0] === "people" && get$1(at)[1]) $$render(consequent_15, 8);
            else if (get$1(at)[0] === "people") $$render(consequent_16, 9);
            else if (get$1(at)[0] === "tokens") $$render(consequent_17, 10);
            else if (get$1(at)[0] === "storage") $$render(consequent_18, 11);
            else if (get$1(at)[0] === "health") $$render(consequent_19, 12);
            else if (get$1(at)[0] === "audit") $$render(consequent_20, 13);
            else if (get$1(at)[0] === "kit") $$render(consequent_21, 14);
            else $$render(alternate_2, -1);
          });
        }
        append($$anchor3, fragment_9);
      });
      var node_6 = sibling(main, 2);
      Nav(node_6, {});
      template_effect(() => set_text(text_1, T.skip));
      delegated("click", a, (event2) => {
        event2.preventDefault();
        document.querySelector("main")?.focus();
      });
      append($$anchor2, fragment_8);
    };
    if_block(node, ($$render) => {
      if (get$1(open2)) $$render(consequent_2);
      else if (hub.phase === "starting") $$render(consequent_4, 1);
      else if (hub.phase === "signed-out") $$render(consequent_5, 2);
      else $$render(alternate_3, -1);
    });
  }
  append($$anchor, fragment);
  pop();
}
delegate(["click"]);
const target = document.getElementById("app");
if (target) mount(App, { target });
if ("serviceWorker" in navigator && true) {
  navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" }).catch(() => {
  });
}
