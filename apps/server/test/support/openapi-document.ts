import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import fc from "fast-check";

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Content }>
  >;
}

export interface OpenapiDocument {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

export function listOperations(document: OpenapiDocument): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      parameters: operation.parameters ?? [],
      method: method.toUpperCase(),
      path,
    })),
  );
}

/** Tells what is wrong with an answer according to the document; undefined when nothing is. */
export type AnswerCheck = (
  operation: Operation,
  answer: { readonly status: number; readonly contentType: string; readonly body: unknown },
) => string | undefined;

export function createAnswerCheck(document: OpenapiDocument): AnswerCheck {
  const ajv = new Ajv2020.default({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "openapi", components: document.components });
  return ({ responses }, { status, contentType, body }) => {
    const response = responses[String(status)];
    if (response === undefined) {
      return `status ${status} is not documented: ${JSON.stringify(body)?.slice(0, 500)}`;
    }
    if (response.content === undefined) {
      return body === "" ? undefined : `${status} is documented without a body`;
    }
    const type = contentType.split(";", 1)[0]?.trim() ?? "";
    const schema = response.content[type]?.schema;
    if (schema === undefined) return `${status} is not documented as ${contentType}`;
    const text = JSON.stringify(schema).replaceAll('"#/components/', '"openapi#/components/');
    if (ajv.validate(JSON.parse(text) as object, body)) return undefined;
    return `${status} ${JSON.stringify(body)?.slice(0, 500)}: ${ajv.errorsText()}`;
  };
}

/** Values that a schema allows: most of the time all there is, sometimes only what is required. */
export function arbitraryOf(document: OpenapiDocument, schema: JsonSchema): fc.Arbitrary<unknown> {
  const of = (inner: unknown): fc.Arbitrary<unknown> => arbitraryOf(document, inner as JsonSchema);
  const { $ref, enum: values, type } = schema;
  if (typeof $ref === "string") {
    return of(document.components.schemas[$ref.split("/").at(-1) ?? ""] ?? {});
  }
  if ("const" in schema) return fc.constant(schema["const"]);
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]));
  const choices = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(choices)) return fc.oneof(...choices.map(of));
  if (Array.isArray(type)) return fc.oneof(...type.map((one) => of({ ...schema, type: one })));
  switch (type) {
    case "string":
      return arbitraryText(schema);
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "integer":
    case "number": {
      const min = Math.ceil(Number(schema["minimum"] ?? schema["exclusiveMinimum"] ?? -1000));
      const max = Math.floor(Number(schema["maximum"] ?? schema["exclusiveMaximum"] ?? 1_000_000));
      return fc.integer({ min: Math.max(min, -1e9), max: Math.min(Math.max(min, max), 1e9) });
    }
    case "array":
      return fc.array(of(schema["items"] ?? {}), {
        minLength: Number(schema["minItems"] ?? 0),
        maxLength: Math.min(Number(schema["maxItems"] ?? 3), 3),
      });
    case "object": {
      const properties = Object.entries((schema["properties"] ?? {}) as Record<string, JsonSchema>);
      const required = (schema["required"] ?? []) as string[];
      const model = Object.fromEntries(properties.map(([name, inner]) => [name, of(inner)]));
      if (properties.length === 0 && typeof schema["additionalProperties"] === "object") {
        const names = (schema["propertyNames"] ?? { type: "string" }) as JsonSchema;
        return fc.dictionary(
          arbitraryText({ maxLength: 20, ...names }).filter((name) => name !== "__proto__"),
          of(schema["additionalProperties"]),
          { maxKeys: 3 },
        );
      }
      return fc.record(model, { requiredKeys: required });
    }
    default:
      return fc
        .jsonValue({ maxDepth: 2 })
        .map((value) => JSON.parse(JSON.stringify(value)) as unknown);
  }
}

function arbitraryText(schema: JsonSchema): fc.Arbitrary<string> {
  const minLength = Number(schema["minLength"] ?? 0);
  const maxLength = Math.min(Number(schema["maxLength"] ?? 40), minLength + 40);
  switch (schema["format"]) {
    case "uuid":
      return fc.uuid({ version: 4 });
    case "date-time":
      return fc
        .date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true })
        .map((date) => date.toISOString());
    case "uri":
      return fc.constantFrom("http://127.0.0.1:9999", "https://agent.example/x");
    default:
  }
  if (typeof schema["pattern"] === "string") {
    const most = Number(schema["maxLength"] ?? Infinity);
    return fc
      .stringMatching(new RegExp(schema["pattern"]), { size: "-1" })
      .filter((text) => text.length >= minLength && text.length <= most);
  }
  return fc.string({ minLength, maxLength });
}
