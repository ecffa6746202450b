export function DocsPage() { return <p>Docs</p>; }
