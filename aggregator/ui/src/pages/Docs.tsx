import { useQuery } from "@tanstack/react-query";
import { ApiError } from "../api/client";
import { ErrorState, Skeleton } from "../components/States";
import { useI18n } from "../i18n";
import "../styles/docs.css";

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: { type?: string; default?: unknown; items?: { type?: string } };
}

interface Operation {
  operationId: string;
  summary?: string;
  parameters?: Parameter[];
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
}

const address = "/api/v1/openapi.json";

async function load(): Promise<Document> {
  const response = await fetch(address);
  if (!response.ok) throw new ApiError(response.status, response.statusText);
  return (await response.json()) as Document;
}

/** The API as its own document describes it. */
export function DocsPage() {
  const { t } = useI18n();
  const found = useQuery({ queryKey: ["openapi"], queryFn: load, staleTime: Number.POSITIVE_INFINITY });
  return (
    <div className="page docs">
      <div className="page-head">
        <h1>{t("docs.title")}</h1>
        <span className="fill" />
        <a className="button" href={address}>
          {t("docs.download")}
        </a>
      </div>
      <p className="intro">{t("docs.intro")}</p>
      {found.isError && <ErrorState error={found.error} retry={() => found.refetch()} />}
      {found.isPending && <Skeleton height={300} />}
      {found.data &&
        Object.entries(found.data.paths).flatMap(([path, methods]) =>
          Object.entries(methods).map(([method, operation]) => (
            <details key={`${method} ${path}`} className="card operation">
              <summary>
                <span className="chip mono">{method.toUpperCase()}</span>
                <code className="mono">{path}</code>
                <span className="dim">{operation.summary}</span>
              </summary>
              {operation.parameters && (
                <dl aria-label={t("docs.parameters")}>
                  {operation.parameters.map((p) => (
                    <div key={p.name}>
                      <dt>
                        <code className="mono">{p.name}</code>
                        {p.required && <b> *</b>}
                        <small className="dim">
                          {" "}
                          {p.schema?.type === "array" ? `${p.schema.items?.type ?? ""}[]` : p.schema?.type}
                          {p.schema?.default !== undefined && ` = ${String(p.schema.default)}`}
                        </small>
                      </dt>
                      <dd>{p.description}</dd>
                    </div>
                  ))}
                </dl>
              )}
            </details>
          )),
        )}
    </div>
  );
}
