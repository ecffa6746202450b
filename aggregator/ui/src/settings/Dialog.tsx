import { type ReactNode, type RefObject, useEffect, useId, useRef, useState } from "react";
import { Icon } from "../components/Icon";
import { useTexts } from "../i18n";
import { texts } from "./texts";

/** A box over the page that has to be answered; Escape answers no. The browser keeps the focus in it, and brings it back. */
export function Dialog(props: {
  title: string;
  closed: () => void;
  children: (close: () => void) => ReactNode;
}) {
  const box = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    if (box.current && !box.current.open) box.current.showModal();
  }, []);
  return (
    <dialog ref={box} className="dialog" aria-labelledby={title} onClose={props.closed}>
      <h2 id={title}>{props.title}</h2>
      {props.children(() => box.current?.close())}
    </dialog>
  );
}

/** Asks before something is done that cannot be undone, and says why it was not done. */
export function Confirm(props: {
  title: string;
  hint: string;
  /** What the button says that does it. */
  act: string;
  danger?: boolean;
  closed: () => void;
  run: () => Promise<unknown>;
  children?: ReactNode;
}) {
  const t = useTexts(texts);
  const [state, setState] = useState<{ busy: boolean; error?: Error }>({ busy: false });
  return (
    <Dialog title={props.title} closed={props.closed}>
      {(close) => (
        <form
          onSubmit={async (e) => {
            e.preventDefault();
            setState({ busy: true });
            try {
              await props.run();
              close();
            } catch (error) {
              setState({ busy: false, error: error instanceof Error ? error : new Error(String(error)) });
            }
          }}
        >
          <p>{props.hint}</p>
          {props.children}
          {state.error && <Problem error={state.error} />}
          <div className="dialog-foot">
            <button type="button" className="button" onClick={close}>
              {t("cancel")}
            </button>
            <button type="submit" className="button primary" data-danger={props.danger} disabled={state.busy}>
              {props.act}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

/** A secret, the one time that it can be seen. */
export function SecretDialog(props: { title: string; secret: string; closed: () => void }) {
  const t = useTexts(texts);
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  return (
    <Dialog title={props.title} closed={props.closed}>
      {(close) => (
        <>
          <p>{t("secret.hint")}</p>
          <div className="secret">
            <input
              ref={field}
              className="field mono"
              readOnly
              aria-label={props.title}
              value={props.secret}
              onFocus={(e) => e.target.select()}
            />
            <button
              type="button"
              className="button"
              onClick={async () => setCopied(await copy(props.secret, field))}
            >
              <Icon name={copied ? "check" : "copy"} size={14} /> {t(copied ? "copied" : "copy")}
            </button>
          </div>
          <span className="unseen" role="status">
            {copied && t("copied")}
          </span>
          <div className="dialog-foot">
            <button type="button" className="button primary" onClick={close}>
              {t("close")}
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

/** Copies, or where the browser does not let pages (without TLS) selects the text, so that people can. */
async function copy(text: string, field: RefObject<HTMLInputElement | null>): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field.current?.focus();
    field.current?.select();
    return false;
  }
}

/** Why something was not done, beside what was to be done. */
export function Problem({ error }: { error: Error }) {
  return (
    <p className="problem" role="alert">
      <Icon name="error" size={14} /> {error.message}
    </p>
  );
}
