import type { ComponentChildren, VNode } from "preact";
import { useEffect } from "preact/hooks";
import type { ApiError } from "../api.ts";

/** Properties of {@link Page}. */
export interface PageProps {
  /** The heading of the page and the title of the tab. */
  readonly title: string;
  /** One sentence that says what the page is for. */
  readonly lead?: ComponentChildren;
  /** Buttons next to the heading. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A page: a heading, and what is below it. */
export function Page({ title, lead, actions, children }: PageProps): VNode {
  useEffect(() => {
    document.title = `${title} · Busbar`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <h1>{title}</h1>
        {actions && <div class="row">{actions}</div>}
        {lead && <p class="lead">{lead}</p>}
      </header>
      {children}
    </>
  );
}

/** Properties of {@link Panel}. */
export interface PanelProps {
  readonly title?: ComponentChildren;
  /** What stands at the end of the heading's line. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
  /** Whether the content has no space around it, as a table has none. */
  readonly flush?: boolean;
}

/** A part of a page, with a frame and a heading. */
export function Panel({ title, actions, children, flush }: PanelProps): VNode {
  return (
    <section class="panel">
      {title !== undefined && (
        <div class="panel-head">
          <h2>{title}</h2>
          {actions && <div class="row">{actions}</div>}
        </div>
      )}
      {flush ? children : <div class="panel-body">{children}</div>}
    </section>
  );
}

/** Says that there is nothing, and what to do about it. */
export function Empty(props: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): VNode {
  return (
    <div class="empty">
      <strong>{props.title}</strong>
      {props.children && <p>{props.children}</p>}
    </div>
  );
}

/** Stands where something will be once it is loaded. */
export function Loading(): VNode {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">Loading…</span>
      <div class="bone" />
      <div class="bone" />
      <div class="bone" />
    </div>
  );
}

/** Says why something could not be loaded or done. */
export function Problem(props: {
  readonly error: ApiError | Error | undefined;
  readonly children?: ComponentChildren;
}): VNode | null {
  if (props.error === undefined) return null;
  return (
    <div class="notice notice-bad" role="alert">
      <p class="pre-line">{props.error.message}</p>
      {props.children}
    </div>
  );
}
